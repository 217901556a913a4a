// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

import java.io.IOException;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * Runs one OpenSearch node: Main DIRECTORY HTTP_PORT TRANSPORT_PORT. It ends on SIGTERM and when standard input closes, so it never
 * outlives the test that started it.
 */
public final class Main {
    public static void main(String[] args) throws IOException {
        OpenSearchRunner runner = new OpenSearchRunner();
        // The node closes while the machine shuts down, so that SIGTERM and a closed input leave the data directory whole.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(runner)));
        // The ports are set here because the runner, left alone, moves on to another one when its choice is taken.
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", args[1]);
            settings.put("transport.port", args[2]);
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
        runner.build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("modtap-test"));
        while (System.in.read() >= 0) {
            continue;
        }
        System.exit(0);
    }

    private static void close(OpenSearchRunner runner) {
        try {
            runner.close();
        } catch (IOException e) {
            e.printStackTrace();
        }
    }
}

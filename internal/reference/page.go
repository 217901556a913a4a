// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modtap/modtap/internal/document"
	"github.com/modtap/modtap/internal/signal"
)

const intro = `# Fields and attributes

<!-- Written by go generate ./internal/reference from internal/signal and internal/document. Don't edit it. -->

Every attribute of spans, documents and metrics. Names are those of OpenTelemetry's semantic conventions and, in documents,
of the Elastic Common Schema (ECS) 8; what neither has is below ` + "`goproxy.`" + `. Every duration is in nanoseconds, as
` + "`event.duration`" + ` of ECS is; metrics are in seconds. A field without a value is absent.

## Attributes

| name | type | unit | meaning | where |
|---|---|---|---|---|
`

const fieldsIntro = `
## Fields of every document

What the document has besides attributes. Where ECS has another name than OpenTelemetry both are there.

| name | type | meaning |
|---|---|---|
`

// Page returns docs/telemetry.md.
func Page() []byte {
	var page strings.Builder
	page.WriteString(intro)
	attributes := signal.Attributes()
	slices.SortFunc(attributes, func(a, b signal.Attribute) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range attributes {
		where := a.Where()
		if onMetric(a.Name) {
			where = append(where, "metrics")
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s |\n", a.Name, a.Type, a.Unit, a.Meaning, strings.Join(where, ", "))
	}
	page.WriteString(fieldsIntro)
	for _, f := range document.Fields() {
		fmt.Fprintf(&page, "| `%s` | %s | %s |\n", f.Name, f.Type, f.Meaning)
	}
	return []byte(page.String())
}

func onMetric(name string) bool {
	return slices.ContainsFunc(signal.Declared(), func(m signal.Metric) bool { return slices.Contains(m.Attributes, name) })
}

// Files returns what is rendered, by its path in the repository.
func Files() (map[string][]byte, error) {
	template, err := Template()
	return map[string][]byte{"exporters/elasticexporter/template.json": template, "docs/telemetry.md": Page()}, err
}

// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A stage is a FROM of a Dockerfile and what follows it. Only what ours needs is known; anything else is an error, as a
// reader that passes over it would test another image.
type stage struct {
	base         string
	name         string
	instructions []instruction
}

// An instruction is one line, continuations joined.
type instruction struct {
	word  string            // RUN
	flags map[string]string // from, chown
	text  string            // what follows
	list  []string          // the words of it, or what its JSON holds
}

// known are the instructions and their flags.
var known = map[string][]string{
	"FROM": {"platform"}, "ARG": nil, "ENV": nil, "LABEL": nil, "WORKDIR": nil, "COPY": {"from", "chown"}, "RUN": nil, "VOLUME": nil,
	"EXPOSE": nil, "USER": nil, "STOPSIGNAL": nil, "HEALTHCHECK": {"interval", "timeout", "start-period", "retries"}, "ENTRYPOINT": nil,
}

func readDockerfile(path string) ([]stage, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var stages []stage
	for _, line := range logicalLines(string(text)) {
		i, err := readInstruction(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", line, err)
		case i.word == "FROM" && len(i.list) == 3 && i.list[1] == "AS":
			stages = append(stages, stage{base: i.list[0], name: i.list[2]})
		case i.word == "FROM" && len(i.list) == 1:
			stages = append(stages, stage{base: i.list[0]})
		case i.word == "FROM" || len(stages) == 0:
			return nil, fmt.Errorf("%s: no stage", line)
		default:
			last := &stages[len(stages)-1]
			last.instructions = append(last.instructions, i)
		}
	}
	return stages, nil
}

// logicalLines joins continued lines and leaves comments out.
func logicalLines(text string) []string {
	var lines []string
	continued := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rest, more := strings.CutSuffix(line, `\`)
		if continued {
			lines[len(lines)-1] += " " + strings.TrimSpace(rest)
		} else {
			lines = append(lines, strings.TrimSpace(rest))
		}
		continued = more
	}
	return lines
}

func readInstruction(line string) (instruction, error) {
	word, text, _ := strings.Cut(line, " ")
	i := instruction{word: word, flags: map[string]string{}, text: strings.TrimSpace(text)}
	allowed, ok := known[word]
	if !ok {
		return i, fmt.Errorf("unknown instruction %q", word)
	}
	for strings.HasPrefix(i.text, "--") {
		flag, rest, _ := strings.Cut(i.text, " ")
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if !slices.Contains(allowed, name) {
			return i, fmt.Errorf("unknown flag %q", flag)
		}
		i.flags[name], i.text = value, strings.TrimSpace(rest)
	}
	var err error
	i.list, err = words(i)
	return i, err
}

// words reads the rest of an instruction as a list, in the form that the instruction has.
func words(i instruction) ([]string, error) {
	form := i.text
	switch i.word {
	case "RUN":
		return nil, nil
	case "HEALTHCHECK":
		rest, ok := strings.CutPrefix(form, "CMD ")
		if !ok {
			return nil, fmt.Errorf("no CMD in %q", form)
		}
		form = rest
		fallthrough
	case "ENTRYPOINT", "VOLUME":
		var list []string
		if err := json.Unmarshal([]byte(form), &list); err != nil {
			return nil, fmt.Errorf("no list in JSON, which needs no shell: %w", err)
		}
		return list, nil
	}
	var list []string
	var word strings.Builder
	quoted := false
	for _, r := range form + " " {
		switch {
		case r == '"':
			quoted = !quoted
		case r != ' ' || quoted:
			word.WriteRune(r)
		case word.Len() > 0:
			list = append(list, word.String())
			word.Reset()
		}
	}
	if quoted {
		return nil, fmt.Errorf("unfinished quotation in %q", form)
	}
	return list, nil
}

// expand replaces $NAME and ${NAME}; a name that nothing sets is an error.
func expand(text string, variables map[string]string) (string, error) {
	var unknown []string
	expanded := os.Expand(text, func(name string) string {
		value, ok := variables[name]
		if !ok {
			unknown = append(unknown, name)
		}
		return value
	})
	if unknown != nil {
		return "", fmt.Errorf("%s: %v isn't among %v", text, unknown, slices.Sorted(maps.Keys(variables)))
	}
	return expanded, nil
}

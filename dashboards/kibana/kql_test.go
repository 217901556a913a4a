// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dsl is a piece of a request in the query DSL.
type dsl = map[string]any

// kqlToken is a word, a quoted word, or one of the signs of KQL that our queries use.
var kqlToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|[():]|[^\s():"]+)`)

// kqlParser reads what KQL (https://www.elastic.co/guide/en/kibana/7.10/kuery-query.html) our queries use: field:value, field:*,
// and, or, not, and brackets. Anything else is an error.
type kqlParser struct {
	tokens []string
	fields []string
}

// translateKQL returns the filter that Kibana makes of a query, and the fields in it.
func translateKQL(query string) (filter dsl, fields []string, err error) {
	p := new(kqlParser)
	for rest := strings.TrimSpace(query); rest != ""; rest = strings.TrimSpace(rest) {
		token := kqlToken.FindString(rest)
		if token == "" {
			return nil, nil, fmt.Errorf("KQL %q: unexpected %q", query, rest)
		}
		p.tokens, rest = append(p.tokens, token), rest[len(token):]
	}
	if len(p.tokens) == 0 {
		return dsl{"match_all": dsl{}}, nil, nil
	}
	filter, err = p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("KQL %q: %w", query, err)
	}
	return filter, p.fields, nil
}

// take removes the next token if it is this one.
func (p *kqlParser) take(token string) bool {
	if len(p.tokens) == 0 || !strings.EqualFold(p.tokens[0], token) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *kqlParser) or() (dsl, error) {
	return p.list("or", p.and, func(all []dsl) dsl { return dsl{"bool": dsl{"should": all, "minimum_should_match": 1}} })
}

func (p *kqlParser) and() (dsl, error) {
	return p.list("and", p.not, func(all []dsl) dsl { return dsl{"bool": dsl{"filter": all}} })
}

func (p *kqlParser) list(word string, next func() (dsl, error), join func([]dsl) dsl) (dsl, error) {
	first, err := next()
	if err != nil {
		return nil, err
	}
	all := []dsl{first}
	for p.take(word) {
		more, err := next()
		if err != nil {
			return nil, err
		}
		all = append(all, more)
	}
	if len(all) == 1 {
		return first, nil
	}
	return join(all), nil
}

func (p *kqlParser) not() (dsl, error) {
	if p.take("not") {
		inner, err := p.not()
		return dsl{"bool": dsl{"must_not": inner}}, err
	}
	if p.take("(") {
		inner, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("no ) before %q", p.tokens)
		}
		return inner, err
	}
	return p.clause()
}

func (p *kqlParser) clause() (dsl, error) {
	if len(p.tokens) < 3 || p.tokens[1] != ":" || strings.ContainsAny(p.tokens[0]+p.tokens[2], "():<>") {
		return nil, fmt.Errorf("no field:value at %q", p.tokens)
	}
	field, value := p.tokens[0], p.tokens[2]
	p.tokens = p.tokens[3:]
	p.fields = append(p.fields, field)
	var query dsl
	switch {
	case value == "*":
		query = dsl{"exists": dsl{"field": field}}
	case strings.Contains(value, "*"):
		return nil, fmt.Errorf("pattern %q", value)
	case strings.HasPrefix(value, `"`):
		query = dsl{"match_phrase": dsl{field: strings.Trim(value, `"`)}}
	default:
		query = dsl{"match": dsl{field: value}}
	}
	return dsl{"bool": dsl{"should": []dsl{query}, "minimum_should_match": 1}}, nil
}

// TestKQL compares with what Kibana's own translation gives (esKuery.toElasticsearchQuery).
func TestKQL(t *testing.T) {
	is := func(query string) string {
		return `{"bool":{"minimum_should_match":1,"should":[` + query + `]}}`
	}
	a, b, c := is(`{"match":{"a":"1"}}`), is(`{"exists":{"field":"b.c"}}`), is(`{"match_phrase":{"c":"x y"}}`)
	for query, want := range map[string]string{
		"":                             `{"match_all":{}}`,
		"a:1":                          a,
		"b.c:*":                        b,
		`c:"x y"`:                      c,
		"a:1 and b.c : *":              `{"bool":{"filter":[` + a + `,` + b + `]}}`,
		"a:1 or b.c:* OR c:\"x y\"":    `{"bool":{"minimum_should_match":1,"should":[` + a + `,` + b + `,` + c + `]}}`,
		"not a:1":                      `{"bool":{"must_not":` + a + `}}`,
		"a:1 and (b.c:* or c:\"x y\")": `{"bool":{"filter":[` + a + `,{"bool":{"minimum_should_match":1,"should":[` + b + `,` + c + `]}}]}}`,
	} {
		t.Run(query, func(t *testing.T) {
			filter, _, err := translateKQL(query)
			require.NoError(t, err)
			got, err := encode(filter)
			require.NoError(t, err)
			assert.JSONEq(t, want, string(got))
		})
	}
	_, fields, err := translateKQL("a:1 and (b.c:* or not d:2)")
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b.c", "d"}, fields)
	for _, query := range []string{"a", "a:", "a:1 b:2", "a:1 and", "(a:1", "a:1)", "a:x*", "a >= 1", `a:"x`, "a:(1 or 2)", "and"} {
		_, _, err := translateKQL(query)
		assert.Error(t, err, query)
	}
}

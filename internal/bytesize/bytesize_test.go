// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bytesize

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// read decodes a value as a component's configuration does.
func read(value any) (Size, error) {
	var cfg struct {
		MaxSize Size `mapstructure:"max_size"`
	}
	err := confmap.NewFromStringMap(map[string]any{"max_size": value}).Unmarshal(&cfg)
	return cfg.MaxSize, err
}

func TestSizes(t *testing.T) {
	for value, want := range map[any]Size{
		0: 0, 1073741824: 1 << 30, "1073741824": 1 << 30, "0": 0, "-1": -1, "9223372036854775807": 1<<63 - 1,
		"1GiB": 1 << 30, "1 GiB": 1 << 30, "1gib": 1 << 30, "10Gi": 10 << 30, "1G": 1e9, "500MB": 500e6, "500mb": 500e6, "1.5KiB": 1536, "2TiB": 2 << 40, "7B": 7, " 1KB ": 1000,
	} {
		got, err := read(value)
		require.NoError(t, err, "case 51: %v", value)
		assert.Equal(t, want, got, "case 51: %v", value)
	}
	for _, value := range []string{"", "big", "1XB", "1GiB2", "-1GiB", "1,5GiB", "GiB", "10EiB10", "99999999PiB", "1 000", "NaN", "inf", "0x10"} {
		_, err := read(value)
		require.ErrorContains(t, err, "is no size; write for example 10GiB, 500MB or a number of bytes", "case 51: %q", value)
	}
}

func FuzzSize(f *testing.F) {
	for _, text := range []string{"1GiB", "1,5", "-1", "1e9", "18446744073709551615", "9.3EB", "."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Size
		if s.UnmarshalText([]byte(text)) == nil && s < 0 {
			assert.Contains(t, text, "-", "only what is written as negative is: %q", text)
		}
	})
}

// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// gosumdb is GOSUMDB, parsed. The zero value is "off".
type gosumdb struct {
	key, name string
	url       *url.URL
	only      bool // The URL stands in GOSUMDB: no proxy is asked.
}

// knownKeys are those of knownGOSUMDB in cmd/go/internal/modfetch.
var knownKeys = map[string]string{
	"sum.golang.org": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
}

// parseGOSUMDB reads GOSUMDB as dbDial in cmd/go/internal/modfetch does. Empty is
// go's default, as where there is no go command to fill it in.
func parseGOSUMDB(text string) (gosumdb, error) {
	switch text {
	case "":
		text = "sum.golang.org"
	case "off":
		return gosumdb{}, nil
	case "sum.golang.google.cn":
		text = "sum.golang.org https://sum.golang.google.cn"
	}
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > 2 {
		return gosumdb{}, fmt.Errorf("GOSUMDB %q: wants a name or key, and perhaps a URL", text)
	}
	if key := knownKeys[fields[0]]; key != "" {
		fields[0] = key
	}
	v, err := note.NewVerifier(fields[0])
	if err != nil {
		return gosumdb{}, fmt.Errorf("GOSUMDB: %w", err)
	}
	db := gosumdb{key: fields[0], name: v.Name()}
	db.url, err = url.Parse("https://" + db.name)
	if err != nil || strings.HasSuffix(db.name, "/") || db.url.Host == "" || db.url.RawPath != "" ||
		*db.url != (url.URL{Scheme: "https", Host: db.url.Host, Path: db.url.Path}) {
		return gosumdb{}, fmt.Errorf("GOSUMDB: invalid name %q; must be host[/path]", db.name)
	}
	if len(fields) == 2 {
		if db.url, err = url.Parse(fields[1]); err != nil || db.url.Host == "" {
			return gosumdb{}, errors.New("GOSUMDB: its URL is none")
		}
		db.only = true
	}
	return db, nil
}

// file is where what the database's client calls name is kept: the folder is one
// of the database's own, whatever its name, and begins like no module's.
func (db gosumdb) file(name string) string {
	return "@sumdb/" + url.QueryEscape(db.name) + strings.TrimPrefix(name, db.name)
}

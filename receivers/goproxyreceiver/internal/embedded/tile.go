// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"fmt"
	"path"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modtap/modtap/internal/chain"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

// tileHeight is that of the tiles which the go command asks for.
const tileHeight = 8

// verifiable returns the tile that req asks for if it belongs to the tree whose
// head is known: then it can be verified, and kept.
func (v *verifier) verifiable(req protocol.Request) (tlog.Tile, tlog.Tree, bool) {
	tile, err := tlog.ParseTilePath(path.Join("tile", req.Tile))
	if err != nil || tile.H != tileHeight || tile.L < 0 || tile.W != 1<<tileHeight {
		return tile, tlog.Tree{}, false
	}
	_, tree, err := v.head()
	shift := uint((tile.L + 1) * tileHeight) // of a record to its tile of this level
	return tile, tree, err == nil && shift < 63 && tile.N < tree.N>>shift
}

// tile verifies a tile of tree, and keeps it then.
func (v *verifier) tile(ctx context.Context, l *chain.Ledger, tile tlog.Tile, tree tlog.Tree) error {
	// Any hash of it will do: all of a tile is verified at once.
	index := tlog.StoredHashIndex(tile.L*tileHeight, tile.N<<tileHeight)
	return v.ask(ctx, l, tile.Path(), func(ops *sumdbOps) error {
		_, err := tlog.TileHashReader(tree, &tileReader{ops}).ReadHashes([]int64{index})
		return err
	})
}

// tileReader reads tiles as the client of the database does.
type tileReader struct{ ops *sumdbOps }

var _ tlog.TileReader = (*tileReader)(nil)

// Height implements [tlog.TileReader].
func (*tileReader) Height() int { return tileHeight }

// ReadTiles implements [tlog.TileReader].
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = r.read(tile); err != nil {
			return nil, fmt.Errorf("%s: %w", tile.Path(), err)
		}
	}
	return data, nil
}

// read reads a tile, if need be from the full one that has taken its place.
func (r *tileReader) read(tile tlog.Tile) (data []byte, err error) {
	full := tile
	full.W = 1 << tileHeight
	if data, err = r.ops.ReadCache(r.file(tile)); err != nil {
		if data, err = r.ops.ReadCache(r.file(full)); err != nil {
			data, err = r.ops.ReadRemote("/" + tile.Path())
		}
	}
	if size := tile.W * tlog.HashSize; err == nil && len(data) >= size {
		return data[:size], nil
	}
	if err == nil {
		err = fmt.Errorf("a tile of %d bytes", len(data))
	}
	return nil, err
}

func (r *tileReader) file(tile tlog.Tile) string { return r.ops.verifier.db.name + "/" + tile.Path() }

// SaveTiles implements [tlog.TileReader].
func (r *tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		r.ops.WriteCache(r.file(tile), data[i])
	}
}

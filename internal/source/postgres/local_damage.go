package postgres

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"holdfast/internal/postgres"
)

// maxDamage bounds the damaged pages that are told of one by one.
const maxDamage = 100

// damage is what does not match its checksum.
type damage struct {
	pages []DamagedPage
	count int
}

// DamagedPage is one that does not match its checksum, and that the log does
// not have whole.
type DamagedPage struct {
	// File is its place in the data directory, Block its number in the whole
	// relation.
	File  string `json:"file"`
	Block uint32 `json:"block"`
	// Database and Relation are the names of what it belongs to, if the server
	// could tell.
	Database string `json:"database,omitempty"`
	Relation string `json:"relation,omitempty"`
	// Checksum is what it has, Computed what it should have.
	Checksum uint16 `json:"checksum"`
	Computed uint16 `json:"computed"`
}

func (p DamagedPage) String() string {
	of := "a relation whose name the server did not tell"
	if p.Relation != "" {
		of = fmt.Sprintf("%s of database %s", p.Relation, p.Database)
	}
	return fmt.Sprintf("block %d of %s (file %s) does not match its checksum: it has %04X, and its content makes %04X", p.Block, of, p.File, p.Checksum, p.Computed)
}

func (l *Local) noteDamage(name string, block uint32, page []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Damaged = true
	l.damaged.count++
	if len(l.damaged.pages) < maxDamage {
		l.damaged.pages = append(l.damaged.pages, DamagedPage{
			File: name, Block: block,
			Checksum: binary.NativeEndian.Uint16(page[pageChecksumAt:]), Computed: pageChecksum(page, block),
		})
	}
}

// nameDamage finds out which relations the damaged pages belong to, and warns
// of each.
func (l *Local) nameDamage(ctx context.Context) {
	pages := l.damaged.pages
	slices.SortFunc(pages, func(a, b DamagedPage) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Block, b.Block)) })
	names := relationNames{l: l, known: map[string][2]string{}}
	for k := range pages {
		pages[k].Database, pages[k].Relation = names.find(ctx, pages[k].File)
		l.warn("%s", pages[k])
	}
	if more := l.damaged.count - len(pages); more > 0 {
		l.warn("%d more pages do not match their checksums", more)
	}
}

// relationNames asks the server which relation a file belongs to, each once.
type relationNames struct {
	l     *Local
	known map[string][2]string
}

// nameWithin bounds a question for a name: the backup is over, and a name is
// not worth more.
const nameWithin = 10 * time.Second

func (n *relationNames) find(ctx context.Context, file string) (database, relation string) {
	folder, base := path.Split(file)
	number, fork, ok := relationFile(base)
	if !ok {
		return "", ""
	}
	key := folder + number
	names, ok := n.known[key]
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, nameWithin)
		defer cancel()
		names = n.ask(ctx, strings.Split(strings.Trim(folder, "/"), "/"), number)
		n.known[key] = names
	}
	if fork != "" && names[1] != "" {
		return names[0], names[1] + " (" + fork + ")"
	}
	return names[0], names[1]
}

// ask asks for the relation with a number in a folder: global, base/DATABASE,
// or pg_tblspc/SPACE/VERSION/DATABASE. Without an answer there is no name.
func (n *relationNames) ask(ctx context.Context, folder []string, number string) (names [2]string) {
	space, database := "0", folder[len(folder)-1]
	switch len(folder) {
	case 1:
		space, database = "1664", ""
	case 4:
		space = folder[1]
	}
	if database != "" {
		row, err := n.l.session.row(ctx, "SELECT datname, CASE WHEN "+space+" = 0 OR dattablespace = "+space+" THEN 0 ELSE "+space+" END FROM pg_database WHERE oid = "+database)
		if err != nil {
			return names
		}
		names[0], space = row[0], row[1]
	}
	conn, err := postgres.Connect(ctx, n.l.o.DSN, cmp.Or(names[0], "postgres"))
	if err != nil {
		return names
	}
	defer conn.Close(ctx) //nolint:errcheck // a question was asked
	rows, err := postgres.Query(ctx, conn, "SELECT c.oid::regclass FROM pg_class c WHERE c.oid = pg_filenode_relation("+space+", "+number+")")
	if err == nil && len(rows) == 1 {
		names[1] = rows[0][0]
	}
	return names
}

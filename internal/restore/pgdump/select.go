package pgdump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// selections finds out, for each database, what of it is chosen. pg_restore's
// own --table leaves the indexes, constraints and triggers of a table behind,
// and --schema the schema itself; so its list of what there is is edited.
func (r *restorer) selections(ctx context.Context) error {
	if len(r.Schemas)+len(r.Tables) == 0 {
		return nil
	}
	for _, db := range r.restore {
		entries, err := r.list(ctx, db)
		if err != nil {
			return fmt.Errorf("list what the dump of %s has: %w", db.Name, err)
		}
		c := contents{entries: entries, chosen: map[int]bool{}}
		if err := c.choose(r.Schemas, r.Tables, !db.exists); err != nil {
			return fmt.Errorf("the dump of %s: %w", db.Name, err)
		}
		for _, left := range c.left {
			r.step("left out, since it needs what is not chosen: " + left)
		}
		db.list, db.chosen = c.list(), func(id int) bool { return c.chosen[id] }
	}
	return nil
}

// list returns what a dump has.
func (r *restorer) list(ctx context.Context, db *database) ([]*entry, error) {
	args := []string{"--list", "--verbose", "--format=" + format(db)}
	content := func(w io.Writer) error { return r.Content.WriteFile(ctx, db.File, w) }
	if db.Directory {
		folder, err := r.keepFolder(ctx, db, func(name string) bool { return name == contentsFile })
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder)
		content, args = nil, append(args, folder)
	}
	printed, err := r.client.Feed(ctx, content, "pg_restore", args...)
	return parseList(printed.Out), err
}

// entry is one object in a dump.
type entry struct {
	id     int
	kind   string // such as TABLE or FK CONSTRAINT
	schema string // as the list has it; "-" for none
	rest   string // its name or names, and its owner
	needs  []int
	line   string
}

// contents is the list of a dump.
type contents struct {
	entries []*entry
	chosen  map[int]bool
	left    []string
}

// parseList reads what pg_restore --list --verbose prints: one line for each
// entry, "ID; CATALOG OID KIND SCHEMA NAME OWNER", and one behind it with what
// it depends on. Only kinds are in capitals and may have spaces.
func parseList(text []byte) []*entry {
	var entries []*entry
	for raw := range bytes.Lines(text) {
		line := strings.TrimRight(string(raw), "\r\n")
		if needs, ok := strings.CutPrefix(line, ";\tdepends on:"); ok && len(entries) > 0 {
			last := entries[len(entries)-1]
			for word := range strings.FieldsSeq(needs) {
				if id, err := strconv.Atoi(word); err == nil {
					last.needs = append(last.needs, id)
				}
			}
			continue
		}
		number, rest, ok := strings.Cut(line, "; ")
		id, err := strconv.Atoi(number)
		if fields := strings.SplitN(rest, " ", 3); ok && err == nil && len(fields) == 3 {
			e := &entry{id: id, line: line}
			e.kind, e.rest = cutKind(fields[2])
			e.schema, e.rest, _ = strings.Cut(e.rest, " ")
			entries = append(entries, e)
		}
	}
	wholeSchemas(entries)
	return entries
}

// wholeSchemas puts names of schemas together that have spaces in them, which the
// list does not tell from what separates names: those that are in the dump.
func wholeSchemas(entries []*entry) {
	var spaced []string // the longest first
	for _, e := range entries {
		if name := e.name(); e.kind == "SCHEMA" && strings.Contains(name, " ") {
			spaced = append(spaced, name)
		}
	}
	slices.SortFunc(spaced, func(a, b string) int { return len(b) - len(a) })
	for _, e := range entries {
		all := e.schema + " " + e.rest
		k := slices.IndexFunc(spaced, func(schema string) bool { return strings.HasPrefix(all, schema+" ") })
		if k >= 0 {
			e.schema, e.rest = spaced[k], all[len(spaced[k])+1:]
		}
	}
}

// kinds are those that matter here; the longer first where one begins another.
var kinds = []string{
	"TABLE DATA", "TABLE ATTACH", "TABLE", "MATERIALIZED VIEW DATA", "MATERIALIZED VIEW", "VIEW", "FOREIGN TABLE",
	"SEQUENCE OWNED BY", "SEQUENCE SET", "SEQUENCE", "DEFAULT ACL", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT",
	"INDEX ATTACH", "INDEX", "TRIGGER", "RULE", "POLICY", "ROW SECURITY", "STATISTICS", "COMMENT", "ACL", "SECURITY LABEL",
	"SCHEMA", "EXTENSION", "ENCODING", "STDSTRINGS", "SEARCHPATH",
}

func cutKind(text string) (kind, rest string) {
	for _, kind := range kinds {
		if rest, ok := strings.CutPrefix(text, kind+" "); ok {
			return kind, rest
		}
	}
	// Any other: words in capitals.
	for rest = text; ; {
		word, after, ok := strings.Cut(rest, " ")
		if !ok || word == "" || strings.ToUpper(word) != word || word == "-" {
			return strings.TrimSpace(kind), rest
		}
		kind, rest = kind+" "+word, after
	}
}

var (
	// relations are the kinds that --table chooses.
	relations = []string{"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"}
	// attached are the kinds that come along with what they depend on.
	attached = []string{
		"TABLE DATA", "MATERIALIZED VIEW DATA", "SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT",
		"FK CONSTRAINT", "INDEX", "INDEX ATTACH", "TABLE ATTACH", "TRIGGER", "RULE", "POLICY", "ROW SECURITY", "STATISTICS", "COMMENT", "ACL", "SECURITY LABEL",
	}
	// always are the kinds without which nothing is read right.
	always = []string{"ENCODING", "STDSTRINGS", "SEARCHPATH"}
)

// choose chooses schemas and tables with all that belongs to them. In a fresh
// database what they need comes along: schemas, types, functions, extensions.
func (c *contents) choose(schemas []string, tables []TableName, fresh bool) error {
	for _, schema := range schemas {
		if !c.add(func(e *entry) bool { return e.schema == schema || e.kind == "SCHEMA" && e.name() == schema }) {
			return fmt.Errorf("there is no schema %s in it", schema)
		}
	}
	for _, table := range tables {
		// The owner behind the name is one word, or several as a last guess.
		if !c.addRelation(table, (*entry).isNamed) && !c.addRelation(table, (*entry).mayBeNamed) {
			return fmt.Errorf("there is no table %s in it; write it like schema.table, in the letters that it has", table)
		}
	}
	c.attach(fresh)
	if len(c.chosen) == 0 {
		return errors.New("nothing is chosen")
	}
	c.add(func(e *entry) bool { return slices.Contains(always, e.kind) })
	return nil
}

func (c *contents) addRelation(table TableName, named func(*entry, TableName) bool) bool {
	return c.add(func(e *entry) bool { return slices.Contains(relations, e.kind) && named(e, table) })
}

// name returns the name of an entry, or its names: all but its owner, which is one
// word nearly always.
func (e *entry) name() string { return e.rest[:max(0, strings.LastIndexByte(e.rest, ' '))] }

func (e *entry) isNamed(table TableName) bool {
	name := e.name()
	return name != "" && table.is(e.schema, name)
}

func (e *entry) mayBeNamed(table TableName) bool { return table.begins(e.schema, e.rest) }

func (c *contents) add(is func(*entry) bool) (found bool) {
	for _, e := range c.entries {
		if is(e) {
			c.chosen[e.id], found = true, true
		}
	}
	return found
}

// attach adds what belongs to what is chosen, until nothing more does.
func (c *contents) attach(fresh bool) {
	byID := map[int]*entry{}
	for _, e := range c.entries {
		byID[e.id] = e
	}
	left := map[int]bool{}
	for grew := true; grew; {
		grew = false
		for _, e := range c.entries {
			if c.chosen[e.id] || left[e.id] {
				if c.chosen[e.id] && fresh && c.need(e, byID) {
					grew = true
				}
				continue
			}
			if slices.Contains(attached, e.kind) && slices.ContainsFunc(e.needs, func(id int) bool { return c.chosen[id] && owns(byID[id], e) }) {
				c.chosen[e.id], grew = true, true
			}
		}
		if grew || !fresh {
			continue
		}
		// What still lacks a table of others cannot be made, and what hangs
		// on it neither.
		for _, e := range c.entries {
			if c.chosen[e.id] && slices.Contains(attached, e.kind) && slices.ContainsFunc(e.needs, func(id int) bool { return byID[id] != nil && !c.chosen[id] }) {
				delete(c.chosen, e.id)
				left[e.id], grew = true, true
				c.left = append(c.left, e.kind+" "+e.schema+" "+e.rest)
			}
		}
	}
}

// owns tells whether what depends on an entry belongs to it: the indexes of a
// table do; of a schema that came along for a table, its comment and
// privileges.
func owns(e, part *entry) bool {
	switch {
	case e == nil:
		return false
	case slices.Contains(relations, e.kind), slices.Contains(attached, e.kind):
		return true
	}
	return slices.Contains([]string{"COMMENT", "ACL", "SECURITY LABEL"}, part.kind)
}

// need adds what an entry depends on, but for other tables and their parts.
func (c *contents) need(e *entry, byID map[int]*entry) (grew bool) {
	for _, id := range e.needs {
		n := byID[id]
		if n == nil || c.chosen[id] || slices.Contains(relations, n.kind) || slices.Contains(attached, n.kind) {
			continue
		}
		c.chosen[id], grew = true, true
	}
	return grew
}

// list is what pg_restore --use-list wants, in the order of the dump.
func (c *contents) list() []byte {
	var out bytes.Buffer
	for _, e := range c.entries {
		if c.chosen[e.id] {
			out.WriteString(e.line + "\n")
		}
	}
	return out.Bytes()
}

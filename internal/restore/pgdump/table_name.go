package pgdump

import (
	"errors"
	"fmt"
	"strings"

	"holdfast/internal/postgres"
)

// TableName is a table as somebody asks for it: T or S.T.
type TableName struct {
	// schema is "" where any will do. Of a name without quotes nobody knows at
	// which of its dots the schema ends: then loose is set, and name is all of it.
	schema, name string
	loose        bool
	text         string // as it was written
}

// String is the name as it was written.
func (t TableName) String() string { return t.text }

// errTableName says how names are written.
var errTableName = errors.New(`write it like schema.table; what begins with a quote or has a comma in it stands in double quotes, with quotes in it twice: "my,schema"."my ""table"""`)

// ParseTables reads names of tables with commas between them.
func ParseTables(list string) ([]TableName, error) {
	var names []TableName
	for rest, more := list, true; more; {
		var t TableName
		var err error
		if t, rest, more, err = cutTable(rest); err != nil {
			return nil, fmt.Errorf("table %s: %w", list, err)
		}
		names = append(names, t)
	}
	return names, nil
}

// cutTable cuts the first table off a list; more tells that others follow.
func cutTable(list string) (t TableName, rest string, more bool, err error) {
	var parts []string
	loose := true
	for rest, more = list, true; more; {
		part, quoted, ok := cutPart(&rest)
		if !ok || part == "" || len(parts) == 2 {
			return t, "", false, errTableName
		}
		parts = append(parts, part)
		loose = loose && !quoted
		rest, more = strings.CutPrefix(rest, ".")
	}
	t = TableName{name: parts[len(parts)-1], loose: loose, text: list[:len(list)-len(rest)]}
	if len(parts) == 2 {
		t.schema = parts[0]
	}
	if rest, more = strings.CutPrefix(rest, ","); !more && rest != "" {
		return t, "", false, errTableName
	}
	return t, rest, more, nil
}

// cutPart cuts a schema or a table off: what stands in quotes, or all up to a comma
// or to a dot before quotes.
func cutPart(text *string) (part string, quoted, ok bool) {
	inner, quoted := strings.CutPrefix(*text, `"`)
	if !quoted {
		end := len(*text)
		for _, mark := range []string{",", `."`} {
			if k := strings.Index((*text)[:end], mark); k >= 0 {
				end = k
			}
		}
		part, *text = (*text)[:end], (*text)[end:]
		return part, false, true
	}
	for {
		before, after, closed := strings.Cut(inner, `"`)
		if !closed {
			return "", true, false
		}
		part += before
		if inner, closed = strings.CutPrefix(after, `"`); !closed {
			*text = after
			return part, true, true
		}
		part += `"`
	}
}

// guess returns the schema, "" if there is none, and the name, as far as they can
// be told apart before anybody knows which tables there are.
func (t TableName) guess() (schema, name string) {
	if !t.loose {
		return t.schema, t.name
	}
	if schema, name, ok := strings.Cut(t.name, "."); ok {
		return schema, name
	}
	return "", t.name
}

// condition is what SQL asks of a table c and its schema n.
func (t TableName) condition() string {
	name := postgres.QuoteLiteral(t.name)
	switch {
	case t.loose:
		return fmt.Sprintf("(c.relname = %[1]s OR n.nspname || '.' || c.relname = %[1]s)", name)
	case t.schema == "":
		return "c.relname = " + name
	}
	return fmt.Sprintf("c.relname = %s AND n.nspname = %s", name, postgres.QuoteLiteral(t.schema))
}

// is tells whether a table of a schema is meant.
func (t TableName) is(schema, name string) bool {
	if t.loose {
		return name == t.name || schema+"."+name == t.name
	}
	return name == t.name && (t.schema == "" || schema == t.schema)
}

// begins tells whether the name of a table of a schema, and other words after it,
// may be what is meant.
func (t TableName) begins(schema, words string) bool {
	if t.loose {
		return strings.HasPrefix(words, t.name+" ") || strings.HasPrefix(schema+"."+words, t.name+" ")
	}
	return strings.HasPrefix(words, t.name+" ") && (t.schema == "" || schema == t.schema)
}

package pgdump

import "testing"

// Names of tables are taken by the letter, several with commas between; quotes
// keep together what would be parted.
func TestParseTables(t *testing.T) {
	type table struct{ schema, name string }
	for list, want := range map[string][]struct {
		TableName
		is, isNot table
	}{
		`items`:           {{TableName{name: "items", loose: true, text: "items"}, table{"any", "items"}, table{"items", "any"}}},
		`sales.items,x`:   {{TableName{name: "sales.items", loose: true, text: "sales.items"}, table{"sales", "items"}, table{"x", "items"}}, {TableName{name: "x", loose: true, text: "x"}, table{"s", "x"}, table{"s", "y"}}},
		`a.b.c`:           {{TableName{name: "a.b.c", loose: true, text: "a.b.c"}, table{"a.b", "c"}, table{"a", "b"}}},
		`it's "odd".*\t`:  {{TableName{name: `it's "odd".*\t`, loose: true, text: `it's "odd".*\t`}, table{`it's "odd"`, `*\t`}, table{"", "odd"}}},
		`"a,b"`:           {{TableName{name: "a,b", text: `"a,b"`}, table{"any", "a,b"}, table{"", "a"}}},
		`"a,b".c.d,e`:     {{TableName{schema: "a,b", name: "c.d", text: `"a,b".c.d`}, table{"a,b", "c.d"}, table{"a,b.c", "d"}}, {TableName{name: "e", loose: true, text: "e"}, table{"", "e"}, table{"", "d"}}},
		`sales."a,b"`:     {{TableName{schema: "sales", name: "a,b", text: `sales."a,b"`}, table{"sales", "a,b"}, table{"other", "a,b"}}},
		`"a.b"."c"",""d"`: {{TableName{schema: "a.b", name: `c","d`, text: `"a.b"."c"",""d"`}, table{"a.b", `c","d`}, table{"a", `b.c","d`}}},
		`"""x"""`:         {{TableName{name: `"x"`, text: `"""x"""`}, table{"s", `"x"`}, table{"s", "x"}}},
	} {
		got, err := ParseTables(list)
		if err != nil || len(got) != len(want) {
			t.Errorf("%s: %+v, %v", list, got, err)
			continue
		}
		for k, w := range want {
			if got[k] != w.TableName || !got[k].is(w.is.schema, w.is.name) || got[k].is(w.isNot.schema, w.isNot.name) {
				t.Errorf("%s: %+v, want %+v", list, got[k], w.TableName)
			}
			if words := w.is.name + " my owner"; !got[k].begins(w.is.schema, words) {
				t.Errorf("%s: it is not in %s", list, words)
			}
		}
	}
	for _, list := range []string{"", "a,", ",a", `"a`, `"a"b`, `"a".`, `a."b".c`, `""`, `"a"."b".`, `a."b`} {
		if got, err := ParseTables(list); err == nil {
			t.Errorf("%s: %+v", list, got)
		}
	}
}

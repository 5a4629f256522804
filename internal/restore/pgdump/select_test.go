package pgdump

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// listing is what pg_restore --list --verbose prints for a small database.
const listing = `;
; Archive created at 2026-11-22 20:52:06 UTC
;     dbname: postgres
;
1; 0 0 ENCODING - ENCODING 
5; 2615 16384 SCHEMA - s postgres
6; 3079 16400 EXTENSION - pg_trgm 
20; 1255 16405 FUNCTION s f() postgres
16; 1259 16386 TABLE s a postgres
;	depends on: 5
17; 1259 16397 TABLE s a b postgres
;	depends on: 5
15; 1259 16385 SEQUENCE s a_id_seq postgres
;	depends on: 5 16
18; 1259 16385 SEQUENCE s other_seq postgres
;	depends on: 5
30; 0 0 ACL - SCHEMA s postgres
;	depends on: 5
31; 2604 16389 DEFAULT s a id postgres
;	depends on: 16 15 16
32; 0 16386 TABLE DATA s a postgres
;	depends on: 16
33; 2606 16393 CONSTRAINT s a a_pkey postgres
;	depends on: 16
34; 1259 16396 INDEX s a_lower_idx postgres
;	depends on: 16 6
35; 2620 16406 TRIGGER s a t postgres
;	depends on: 16 20
36; 2606 16400 FK CONSTRAINT s b b_id_fkey postgres
;	depends on: 17 16 33
37; 0 16397 TABLE DATA s a b postgres
;	depends on: 17
38; 0 0 COMMENT s CONSTRAINT a_pkey postgres
;	depends on: 33
`

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		name            string
		schemas, tables []string
		fresh           bool
		want            []int
		left            int
	}{
		{"a table into a fresh database", nil, []string{"a"}, true, []int{1, 5, 6, 15, 16, 20, 30, 31, 32, 33, 34, 35, 38}, 1},
		{"the same by its whole name", nil, []string{"s.a"}, true, []int{1, 5, 6, 15, 16, 20, 30, 31, 32, 33, 34, 35, 38}, 1},
		{"a table into one that exists", nil, []string{"s.a"}, false, []int{1, 15, 16, 31, 32, 33, 34, 35, 36, 38}, 0},
		{"both tables", nil, []string{"a", "s.a b"}, true, []int{1, 5, 6, 15, 16, 17, 20, 30, 31, 32, 33, 34, 35, 36, 37, 38}, 0},
		{"the schema", []string{"s"}, nil, true, []int{1, 5, 6, 15, 16, 17, 18, 20, 30, 31, 32, 33, 34, 35, 36, 37, 38}, 0},
	} {
		c := contents{entries: parseList([]byte(listing)), chosen: map[int]bool{}}
		if err := c.choose(test.schemas, tableNames(t, test.tables...), test.fresh); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var got []int
		for id := range c.chosen {
			got = append(got, id)
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) || len(c.left) != test.left {
			t.Errorf("%s: got %v, left %q; want %v and %d left", test.name, got, c.left, test.want, test.left)
		}
		if n := strings.Count(string(c.list()), "\n"); n != len(got) {
			t.Errorf("%s: the list has %d lines", test.name, n)
		}
	}
	for _, table := range []string{"other", "s.", "x.a", "s"} {
		c := contents{entries: parseList([]byte(listing)), chosen: map[int]bool{}}
		if err := c.choose(nil, tableNames(t, table), true); err == nil {
			t.Errorf("table %q is found", table)
		}
	}
}

// Names with spaces are those of the schemas that the dump has, and the schema whose
// name begins alike is another one.
func TestChooseSpacedNames(t *testing.T) {
	const listing = `5; 2615 16384 SCHEMA - Sales postgres
6; 2615 16385 SCHEMA - Sales $1 postgres
16; 1259 16386 TABLE Sales items postgres
;	depends on: 5
17; 1259 16387 TABLE Sales $1 items postgres
;	depends on: 6
18; 1259 16388 TABLE Sales $1 a b.c postgres
;	depends on: 6
19; 0 16388 TABLE DATA Sales $1 a b.c postgres
;	depends on: 18
`
	for _, test := range []struct {
		schemas, tables []string
		want            []int
	}{
		{[]string{"Sales"}, nil, []int{5, 16}},
		{[]string{"Sales $1"}, nil, []int{6, 17, 18, 19}},
		{nil, []string{"Sales $1.items"}, []int{6, 17}},
		{nil, []string{"Sales.items"}, []int{5, 16}},
		{nil, []string{"Sales $1.a b.c"}, []int{6, 18, 19}},
		{nil, []string{"a b.c"}, []int{6, 18, 19}},
	} {
		c := contents{entries: parseList([]byte(listing)), chosen: map[int]bool{}}
		if err := c.choose(test.schemas, tableNames(t, test.tables...), true); err != nil {
			t.Errorf("%q %q: %v", test.schemas, test.tables, err)
			continue
		}
		if got := slices.Sorted(maps.Keys(c.chosen)); !slices.Equal(got, test.want) {
			t.Errorf("%q %q: got %v, want %v", test.schemas, test.tables, got, test.want)
		}
	}
}

// What the server has is left as it is, to the letter of its name.
func TestLeaveOut(t *testing.T) {
	script := "CREATE ROLE ann;\nALTER ROLE ann WITH SUPERUSER;\nCREATE ROLE anna;\nALTER ROLE anna WITH LOGIN;\nGRANT ann TO anna;\nCREATE TABLESPACE fast OWNER ann LOCATION '/x';"
	got := string(leaveOut([]byte(script), []string{"CREATE ROLE ann", "ALTER ROLE ann", "CREATE TABLESPACE fast"}))
	if want := "CREATE ROLE anna;\nALTER ROLE anna WITH LOGIN;\nGRANT ann TO anna;\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func tableNames(t *testing.T, texts ...string) (names []TableName) {
	t.Helper()
	for _, text := range texts {
		parsed, err := ParseTables(text)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, parsed...)
	}
	return names
}

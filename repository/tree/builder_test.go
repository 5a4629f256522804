package tree

import (
	"encoding/json"
	"errors"
	"testing"

	"holdfast/repository/id"
)

func TestBuilder(t *testing.T) {
	b := NewBuilder()
	if got := string(b.Bytes()); got != "{\"nodes\":[]}\n" {
		t.Errorf("empty tree %q", got)
	}
	for range 2 {
		b.Reset()
		if err := b.AddRaw("B", []byte(`{"name":"B", "new":1}`)); err != nil {
			t.Fatal(err)
		}
		b.Bytes() // a look at the tree so far does not end it
		if err := b.Add(&Node{Name: "a", Type: Fifo}); err != nil {
			t.Fatal(err)
		}
		want := `{"nodes":[{"name":"B", "new":1},` + string(AppendNode(nil, &Node{Name: "a", Type: Fifo})) + "]}\n"
		if got := string(b.Bytes()); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	blob := id.Hash(nil)
	for name, tc := range map[string]struct {
		node Node
		want error
	}{
		"same name":                 {Node{Name: "m", Type: Fifo}, ErrOrder},
		"lower name":                {Node{Name: "Z", Type: Fifo}, ErrOrder},
		"empty name":                {Node{Type: Fifo}, ErrName},
		"dot":                       {Node{Name: ".", Type: Fifo}, ErrName},
		"dot dot":                   {Node{Name: "..", Type: Fifo}, ErrName},
		"slash":                     {Node{Name: "x/y", Type: Fifo}, ErrName},
		"way out":                   {Node{Name: "../x", Type: Fifo}, ErrName},
		"NUL":                       {Node{Name: "x\x00", Type: Fifo}, ErrName},
		"irregular":                 {Node{Name: "x", Type: "irregular"}, ErrType},
		"no type":                   {Node{Name: "x"}, ErrType},
		"file without content":      {Node{Name: "x", Type: File}, ErrContent},
		"file with a zero ID":       {Node{Name: "x", Type: File, Content: []id.ID{blob, {}}}, ErrContent},
		"folder without subtree":    {Node{Name: "x", Type: Dir}, ErrContent},
		"folder of a zero ID":       {Node{Name: "x", Type: Dir, Subtree: &id.ID{}}, ErrContent},
		"attribute that is no JSON": {Node{Name: "x", Type: Fifo, GenericAttributes: map[string]json.RawMessage{"a": nil}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder()
			if err := b.Add(&Node{Name: "m", Type: Dir, Subtree: &blob}); err != nil {
				t.Fatal(err)
			}
			before := string(b.Bytes())
			err := b.Add(&tc.node)
			if err == nil || (tc.want != nil && !errors.Is(err, tc.want)) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if got := string(b.Bytes()); got != before {
				t.Errorf("the tree has changed: %s", got)
			}
		})
	}
	b := NewBuilder()
	if err := b.AddRaw("..", []byte("{}")); !errors.Is(err, ErrName) {
		t.Error(err)
	}
	if err := b.AddRaw("a", []byte("nothing")); err == nil {
		t.Error("raw node that is no object was taken")
	}
}

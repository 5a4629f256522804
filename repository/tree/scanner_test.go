package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/repository/id"
)

// sameNode tells how two nodes differ; times are equal if they read the same.
func sameNode(got, want *Node) error {
	for _, p := range [][2]time.Time{
		{got.ModTime, want.ModTime}, {got.AccessTime, want.AccessTime}, {got.ChangeTime, want.ChangeTime},
	} {
		if a, b := p[0].Format(time.RFC3339Nano), p[1].Format(time.RFC3339Nano); a != b {
			return fmt.Errorf("time %s, want %s", a, b)
		}
	}
	g, w := *got, *want
	g.ModTime, g.AccessTime, g.ChangeTime = time.Time{}, time.Time{}, time.Time{}
	w.ModTime, w.AccessTime, w.ChangeTime = time.Time{}, time.Time{}, time.Time{}
	if !reflect.DeepEqual(g, w) {
		return fmt.Errorf("node %#v, want %#v", g, w)
	}
	return nil
}

func inTree(nodes ...string) []byte {
	return []byte(treeStart + strings.Join(nodes, ",") + treeEnd)
}

// legible makes the texts of a node UTF-8. Only names and link targets may
// be any bytes: in other texts the format itself loses what is not UTF-8.
func legible(n *Node) *Node {
	for _, text := range []*string{&n.User, &n.Group, &n.Error} {
		*text = strings.ToValidUTF8(*text, "?")
	}
	for i := range n.ExtendedAttributes {
		n.ExtendedAttributes[i].Name = strings.ToValidUTF8(n.ExtendedAttributes[i].Name, "?")
	}
	generic := n.GenericAttributes
	n.GenericAttributes = make(map[string]json.RawMessage)
	for name, value := range generic {
		n.GenericAttributes[strings.ToValidUTF8(name, "?")] = value
	}
	return n
}

func TestDecodeThenEncodeKeepsTheBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raws []string
		for _, n := range rapid.SliceOfN(anyNode(), 0, 4).Draw(t, "nodes") {
			raws = append(raws, string(AppendNode(nil, legible(n))))
		}
		i := 0
		for e, err := range Nodes(inTree(raws...)) {
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Raw) != raws[i] {
				t.Fatalf("raw %s, want %s", e.Raw, raws[i])
			}
			if got := AppendNode(nil, &e.Node); string(got) != raws[i] {
				t.Fatalf("\n got %s\nwant %s", got, raws[i])
			}
			i++
		}
		if i != len(raws) {
			t.Fatalf("%d nodes, want %d", i, len(raws))
		}
	})
}

func TestLightScanReadsItsFieldsAsTheFullOneDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := inTree(string(AppendNode(nil, anyNode().Draw(t, "node"))))
		full, light := NewScanner(data), NewLightScanner(data)
		if !full.Next() || !light.Next() {
			t.Fatal(full.Err(), light.Err())
		}
		n := full.Node()
		want := Node{
			Name: n.Name, Type: n.Type, Size: n.Size, Inode: n.Inode, DeviceID: n.DeviceID,
			ModTime: n.ModTime, ChangeTime: n.ChangeTime, Content: n.Content, Subtree: n.Subtree,
		}
		if err := sameNode(light.Node(), &want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(light.Raw(), full.Raw()) || light.Next() || light.Err() != nil {
			t.Fatal("raw or end differ", light.Err())
		}
	})
}

func TestScannerTakesAnyShape(t *testing.T) {
	const node = `{"content":null,"name":"a","type":"fifo","uid":0,"gid":0}`
	for name, data := range map[string]string{
		"usual":               string(inTree(node)),
		"no newline":          `{"nodes":[` + node + `]}`,
		"white space":         " {\n\t\"nodes\" : [ " + node + " ] }\r\n ",
		"unknown fields":      `{"v":[1,{"nodes":[]},-0.5e+1],"nodes":[` + node + `],"w":{"x":null,"y":true,"z":false}}`,
		"letters of any case": `{"Nodes":[{"NAME":"a","Type":"fifo"}]}`,
		"escaped keys":        `{"n\u006fdes":[{"n\u0061me":"\u0061","type":"f\u0069fo"}]}`,
		"unknown in a node":   `{"nodes":[{"x":{"name":"b"},"name":"a","y":[[]],"type":"fifo","z":""}]}`,
		"nulls":               `{"nodes":[{"name":"a","type":"fifo","mode":null,"mtime":null,"user":null,"subtree":null,"extended_attributes":null}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScanner([]byte(data))
			if !s.Next() || s.Next() || s.Err() != nil {
				t.Fatal(s.Err())
			}
			if err := sameNode(s.Node(), &Node{Name: "a", Type: Fifo}); err != nil {
				t.Error(err)
			}
		})
	}
	for _, empty := range []string{`{}`, `{"nodes":null}`, `{"nodes":[]}`, ` {"a":1} `} {
		if s := NewScanner([]byte(empty)); s.Next() || s.Err() != nil {
			t.Errorf("%s: %v", empty, s.Err())
		}
	}
}

func TestScannerNamesTheOffsetOfAMistake(t *testing.T) {
	for data, offset := range map[string]int{
		``:                                   0,
		`null`:                               0,
		`[]`:                                 0,
		`{"nodes":[]}x`:                      12,
		"{\"nodes\":[]}\x00":                 12,
		`{"nodes":[null]}`:                   10,
		`{"nodes":[{}`:                       12,
		`{"nodes":[{},]}`:                    13,
		`{"nodes":[{"name":"a" "type":""}]}`: 22,
		`{"nodes":[{"name":5}]}`:             18,
		"{\"nodes\":[{\"name\":\"a\n\"}]}":   20,
		`{"nodes":[{"name":"\x"}]}`:          19,
		`{"nodes":[{"name":"a\"b"}]}`:        18,
		`{"nodes":[{"size":01}]}`:            18,
		`{"nodes":[{"size":-1}]}`:            18,
		`{"nodes":[{"size":1.5}]}`:           19,
		`{"nodes":[{"uid":4294967296}]}`:     17,
		`{"nodes":[{"size":18446744073709551616}]}`:    18,
		`{"nodes":[{"mtime":"yesterday"}]}`:            19,
		`{"nodes":[{"content":["ab"]}]}`:               22,
		`{"nodes":[{"uid":1,"UID":1}]}`:                19,
		`{"nodes":[],"nodes":[]}`:                      20,
		`{"nodes":[{"extended_attributes":[null]}]}`:   34,
		`{"nodes":[{"linktarget_raw":"*"}]}`:           28,
		`{"x":` + strings.Repeat("[", maxDepth+1) + ``: 5 + maxDepth,
	} {
		s := NewScanner([]byte(data))
		for s.Next() {
		}
		var syntax *SyntaxError
		if !errors.As(s.Err(), &syntax) {
			t.Errorf("%.60q: error %v", data, s.Err())
		} else if syntax.Offset != offset {
			t.Errorf("%.60q: %v, want byte %d", data, syntax, offset)
		}
	}
}

func TestWhatAScannerGaveStays(t *testing.T) {
	data := usualTree(500)
	var nodes []Node
	s := NewScanner(data)
	for range 2 {
		for s.Next() {
			nodes = append(nodes, *s.Node())
		}
		s.Reset(bytes.Clone(data))
	}
	clear(data)
	for i := range nodes {
		if err := sameNode(&nodes[i], usualFile(i%500)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLightScanAllocatesOnlyChunks(t *testing.T) {
	data := usualTree(100)
	s := NewLightScanner(data)
	if got := testing.AllocsPerRun(20, func() {
		s.Reset(data)
		for s.Next() {
		}
	}); got > 5 {
		t.Errorf("%v allocations for 100 nodes", got)
	}
}

func TestFindLooksThroughTreesOutOfOrder(t *testing.T) {
	data := inTree(`{"name":"b","type":"fifo","uid":7}`, `{"name":"a&","type":"socket","gid":3,"new":true}`, `{"name":"c"}`)
	e, found, err := Find(data, "a&")
	if !found || err != nil {
		t.Fatal(found, err)
	}
	if want := (Node{Name: "a&", Type: Socket, GID: 3}); !reflect.DeepEqual(e.Node, want) {
		t.Errorf("node %+v", e.Node)
	}
	if want := `{"name":"a&","type":"socket","gid":3,"new":true}`; string(e.Raw) != want {
		t.Errorf("raw %s", e.Raw)
	}
	if _, found, err := Find(data, "d"); found || err != nil {
		t.Error(found, err)
	}
	if _, found, err := Find(data[:len(data)-8], "d"); found || err == nil {
		t.Error("a torn tree was searched in full")
	}
}

// FuzzScanner holds the Scanner against encoding/json: what it takes, the
// other takes and understands alike; what the other writes, it takes.
func FuzzScanner(f *testing.F) {
	f.Add(usualTree(2))
	f.Add(inTree(string(AppendNode(nil, &Node{
		Name: "\xff<\u2028", Type: Symlink, LinkTarget: "\xfe", Subtree: &id.ID{1},
		ExtendedAttributes: []ExtendedAttribute{{Name: "user.a"}, {Name: "b", Value: []byte("c")}},
		GenericAttributes:  map[string]json.RawMessage{"windows.a": json.RawMessage(`{"a":[1e5]}`)},
		ModTime:            time.Unix(1e9, 5e8).In(time.FixedZone("", -5400)),
	}))))
	f.Add([]byte(`{"a":[],"nodes":[{"name":"\ud83d\ude00","mtime":null}],"b":-1.5e3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		light := NewLightScanner(data)
		for light.Next() {
		}
		var list referenceTree
		listErr := json.Unmarshal(data, &list)
		i := 0
		for e, err := range Nodes(data) {
			if err != nil {
				requireNotWritten(t, data, list, err)
				return
			}
			if listErr != nil {
				continue // nodes come before the mistake, then the error
			}
			if i >= len(list.Nodes) {
				t.Fatalf("more than %d nodes", i)
			}
			if !bytes.Equal(e.Raw, list.Nodes[i]) {
				t.Fatalf("raw %s, want %s", e.Raw, list.Nodes[i])
			}
			want, err := referenceDecode(e.Raw)
			if err != nil {
				t.Fatalf("%s: %v", e.Raw, err)
			}
			if err := sameNode(&e.Node, want); err != nil {
				t.Fatalf("%s: %v", e.Raw, err)
			}
			i++
		}
		if listErr != nil || i != len(list.Nodes) {
			t.Fatalf("%d nodes, want %d, %v", i, len(list.Nodes), listErr)
		}
		if light.Err() != nil {
			t.Fatalf("light scan: %v", light.Err())
		}
	})
}

// requireNotWritten fails if a tree that was refused is one that the
// format's writers give.
func requireNotWritten(t *testing.T, data []byte, list referenceTree, refused error) {
	var raws []string
	for _, raw := range list.Nodes {
		n, err := referenceDecode(raw)
		if err != nil {
			return
		}
		again, err := referenceEncode(n)
		if err != nil {
			return
		}
		raws = append(raws, string(again))
	}
	if list.Nodes != nil && bytes.Equal(inTree(raws...), data) {
		t.Fatalf("refused: %v", refused)
	}
}

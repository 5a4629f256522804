package tree

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/repository/id"
)

func TestAppendNodeEqualsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyNode().Draw(t, "node")
		want, err := referenceEncode(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendNode([]byte("x"), n); string(got) != "x"+string(want) {
			t.Fatalf("\n got %s\nwant x%s", got, want)
		}
	})
}

func TestAppendNodeByHand(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 60, time.UTC)
	empty := Node{Name: "a<b", Type: File, ModTime: at, AccessTime: at, ChangeTime: at, Content: []id.ID{}}
	const times = `"mtime":"2026-01-02T03:04:05.00000006Z","atime":"2026-01-02T03:04:05.00000006Z","ctime":"2026-01-02T03:04:05.00000006Z"`
	for name, tc := range map[string]struct {
		edit func(*Node)
		want string
	}{
		"an empty file": {func(*Node) {}, `{"name":"a\u003cb","type":"file",` + times + `,"uid":0,"gid":0,"content":[]}`},
		"a link to bytes that are not UTF-8": {func(n *Node) {
			n.Name, n.Type, n.LinkTarget, n.Content = "l\xff", Symlink, "\xfe/x", nil
		}, `{"name":"l\\xff","type":"symlink",` + times + `,"uid":0,"gid":0,"linktarget":"\ufffd/x","linktarget_raw":"/i94","content":null}`},
		"attributes with and without a value": {func(n *Node) {
			n.ExtendedAttributes = []ExtendedAttribute{{Name: "user.a"}, {Name: "user.b", Value: []byte{}}, {Name: "user.c", Value: []byte("v")}}
		}, `{"name":"a\u003cb","type":"file",` + times + `,"uid":0,"gid":0,"extended_attributes":[` +
			`{"name":"user.a","value":null},{"name":"user.b","value":""},{"name":"user.c","value":"dg=="}],"content":[]}`},
		"generic attributes": {func(n *Node) {
			n.GenericAttributes = map[string]json.RawMessage{"windows.b": json.RawMessage(` { "x" : "<" } `), "windows.a": nil}
		}, `{"name":"a\u003cb","type":"file",` + times + `,"uid":0,"gid":0,"generic_attributes":{` +
			`"windows.a":null,"windows.b":{"x":"\u003c"}},"content":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			n := empty
			tc.edit(&n)
			if got := string(AppendNode(nil, &n)); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestAppendNodeStaysJSONForTimesOutOfRange(t *testing.T) {
	for _, at := range []time.Time{
		time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), time.Unix(1<<50, 0), time.Unix(-1<<50, 0),
		time.Date(-4, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(12000, 2, 29, 0, 0, 0, 0, time.UTC),
		time.Unix(0, 0).In(time.FixedZone("", 30*3600)),
	} {
		n := Node{Name: "f", Type: File, ModTime: at}
		if _, err := referenceDecode(AppendNode(nil, &n)); err != nil {
			t.Errorf("%v: %v", at, err)
		}
	}
}

func TestAppendNodeDoesNotAllocate(t *testing.T) {
	n := usualFile(7)
	n.Name = strings.Repeat("\xff", 255)
	n.LinkTarget = "\xff<>"
	n.ExtendedAttributes = []ExtendedAttribute{{Name: "user.x", Value: []byte("y")}}
	buf := make([]byte, 0, 1<<16)
	if got := testing.AllocsPerRun(100, func() { buf = AppendNode(buf[:0], n) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

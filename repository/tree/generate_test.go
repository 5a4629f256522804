package tree

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"time"

	"pgregory.net/rapid"

	"holdfast/repository/id"
)

// anyBytes makes strings of raw bytes, dense in those that need escapes.
func anyBytes() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{
		"a", "b.txt", "é", "日本", "\x00", "\x1f", "\b", "\f", "\n", "\r", "\t", `"`, `\`, "'", "<", ">", "&",
		"\x7f", "\x80", "\xff", "\xe2\x80", "\u2028", "\u2029", "\ufffd", "\u200b", "\U0001f600", "\ufeff",
	})
	return rapid.OneOf(
		rapid.StringMatching(`[a-z]{0,12}(\.[a-z]{1,3})?`),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(special, 0, 8).Draw(t, "parts"), "")
		}),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")) }),
	)
}

func anyTime() *rapid.Generator[time.Time] {
	const firstYear, lastYear = -62167219200 - 1e9, 253402300799 + 1e9 // a little beyond 0 and 9999
	return rapid.Custom(func(t *rapid.T) time.Time {
		nanosecond := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 999_999_999), rapid.Just(int64(120_000_000)))
		zone := rapid.OneOf(rapid.Just(0), rapid.IntRange(-23*60, 23*60))
		v := time.Unix(rapid.OneOf(rapid.Int64Range(0, 1<<32), rapid.Int64Range(firstYear, lastYear)).Draw(t, "second"),
			nanosecond.Draw(t, "nanosecond"))
		if minutes := zone.Draw(t, "zone"); minutes != 0 {
			return v.In(time.FixedZone("", 60*minutes))
		}
		return v.UTC()
	})
}

func anyID() *rapid.Generator[id.ID] {
	return rapid.Custom(func(t *rapid.T) id.ID { return id.Hash(rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "seed")) })
}

func anyValue() *rapid.Generator[json.RawMessage] {
	return rapid.Custom(func(t *rapid.T) json.RawMessage {
		return json.RawMessage(rapid.SampledFrom([]string{
			`null`, `"MTMz"`, `32`, `-1.5e+3`, `{"a":[1,2,{}],"b":"\u003c"}`, `[]`, `"é"`,
		}).Draw(t, "value"))
	})
}

// anyNode makes nodes of every shape the encoder can be given, valid or not.
func anyNode() *rapid.Generator[*Node] {
	number := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64(), rapid.Just(uint64(math.MaxUint64)))
	return rapid.Custom(func(t *rapid.T) *Node {
		n := &Node{
			Name:    anyBytes().Draw(t, "name"),
			Type:    Type(rapid.SampledFrom([]string{"file", "dir", "symlink", "dev", "chardev", "fifo", "socket"}).Draw(t, "type")),
			Mode:    os.FileMode(rapid.Uint32().Draw(t, "mode")),
			ModTime: anyTime().Draw(t, "mtime"), ChangeTime: anyTime().Draw(t, "ctime"),
			UID: rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid"),
			User: anyBytes().Draw(t, "user"), Group: anyBytes().Draw(t, "group"),
			Inode: number.Draw(t, "inode"), DeviceID: number.Draw(t, "device_id"), Size: number.Draw(t, "size"),
			Links: number.Draw(t, "links"), LinkTarget: anyBytes().Draw(t, "target"), Device: number.Draw(t, "device"),
			Error: anyBytes().Draw(t, "error"),
		}
		n.AccessTime = n.ModTime
		if rapid.Bool().Draw(t, "with atime") {
			n.AccessTime = anyTime().Draw(t, "atime")
		}
		for range rapid.IntRange(0, 3).Draw(t, "attributes") {
			a := ExtendedAttribute{Name: anyBytes().Draw(t, "attribute")}
			if rapid.Bool().Draw(t, "has value") {
				a.Value = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
			}
			n.ExtendedAttributes = append(n.ExtendedAttributes, a)
		}
		if rapid.Bool().Draw(t, "generic") {
			n.GenericAttributes = rapid.MapOfN(anyBytes(), anyValue(), 0, 3).Draw(t, "generic attributes")
		}
		if rapid.Bool().Draw(t, "has content") {
			n.Content = rapid.SliceOfN(anyID(), 0, 200).Draw(t, "content")
		}
		if rapid.Bool().Draw(t, "has subtree") {
			subtree := anyID().Draw(t, "subtree")
			n.Subtree = &subtree
		}
		return n
	})
}

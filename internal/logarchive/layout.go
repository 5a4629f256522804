package logarchive

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Root is where all log archives lie in a store.
const Root = "holdfast/log/"

const (
	recordSuffix  = ".record"
	payloadSuffix = ".zst.age"
)

// folder is where the segments of some 4 GiB of one line lie, so that no
// folder grows without bound.
func folder(source string, s Segment) string {
	return lineFolder(source, s.Stream, s.Line) + fmt.Sprintf("%08X/", uint64(s.Start)>>32)
}

func lineFolder(source, stream string, line uint32) string {
	return fmt.Sprintf("%s%s/%s/%08X/", Root, source, stream, line)
}

// stem is the name of a segment's objects without the suffix. It says all
// that a listing has to know of the segment.
func stem(s Segment) string {
	return fmt.Sprintf("%016X-%016X.%s.%s", uint64(s.Start), uint64(s.End), s.Kind, s.Name)
}

func recordKey(source string, s Segment) string {
	return folder(source, s) + stem(s) + recordSuffix
}

// newPayloadName returns a name that no other upload of the segment has: a
// payload that was cut off from its record must not stand in the way.
func newPayloadName(s Segment) string {
	return stem(s) + "." + newNonce() + payloadSuffix
}

func newNonce() string {
	var nonce [8]byte
	rand.Read(nonce[:]) //nolint:errcheck // never fails
	return hex.EncodeToString(nonce[:])
}

// parseRecordKey reads what a key says of a segment; false means that the
// object is no record.
func parseRecordKey(source, key string) (Segment, bool) {
	rest, ok := strings.CutPrefix(key, Root+source+"/")
	if !ok {
		return Segment{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 4 {
		return Segment{}, false
	}
	name, ok := strings.CutSuffix(parts[3], recordSuffix)
	fields := strings.SplitN(name, ".", 3)
	if !ok || len(fields) != 3 {
		return Segment{}, false
	}
	s := Segment{Stream: parts[0], Kind: Kind(fields[1]), Name: fields[2]}
	start, end, ok := strings.Cut(fields[0], "-")
	if !ok || !parseLine(parts[1], &s.Line) || !parsePosition(start, &s.Start) || !parsePosition(end, &s.End) {
		return Segment{}, false
	}
	return s, s.check() == nil && recordKey(source, s) == key
}

func parseLine(text string, line *uint32) bool {
	v, err := strconv.ParseUint(text, 16, 32)
	*line = uint32(v)
	return err == nil
}

func parsePosition(text string, p *Position) bool {
	v, err := strconv.ParseUint(text, 16, 64)
	*p = Position(v)
	return err == nil
}

package tree

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"time"

	"holdfast/repository/id"
)

// readNode reads one node's object into s.node.
func (s *Scanner) readNode() bool {
	s.node = Node{}
	s.rawTarget, s.hasRawTarget = "", false
	if !s.lex.expect('{') {
		return false
	}
	var seen fieldSet
	last := fieldUnknown
	for first := true; s.lex.more(first, '}'); first = false {
		start := s.lex.pos
		f, ok := s.readKey(last)
		if !ok {
			return false
		}
		last = f
		if f != fieldUnknown && seen.has(f) {
			return s.lex.fail(start, "field given twice")
		}
		seen |= 1 << f
		if !s.readMember(f) {
			return false
		}
	}
	if s.hasRawTarget {
		s.node.LinkTarget = s.rawTarget
	}
	return s.lex.err == nil
}

// readKey reads the name of a member and the colon behind it. Nodes of one
// type have the same fields in the same order, so the one that came after
// last in the node before is nearly always the one that comes now.
func (s *Scanner) readKey(last field) (field, bool) {
	guess := s.follower[last]
	if key := fieldKeys[guess]; guess != fieldUnknown && s.lex.word(key) {
		return guess, true
	}
	raw, plain, ok := s.lex.key()
	if !ok {
		return fieldUnknown, false
	}
	f := fieldNamed(s.meaning(raw, plain))
	s.follower[last] = f
	return f, true
}

// readMember reads the value of a field, or skips it. A null leaves any
// field as it is.
func (s *Scanner) readMember(f field) bool {
	if f == fieldUnknown || !s.want.has(f) {
		return s.lex.skip(2)
	}
	if s.lex.peek() == 'n' {
		return s.lex.literal("null")
	}
	return s.readField(f)
}

func (s *Scanner) readField(f field) bool {
	n := &s.node
	switch f {
	case fieldName:
		return s.readName()
	case fieldType:
		return s.readType()
	case fieldMode:
		v, ok := s.lex.uint(32)
		n.Mode = os.FileMode(v)
		return ok
	case fieldModTime:
		return s.readTime(&n.ModTime)
	case fieldAccessTime:
		return s.readTime(&n.AccessTime)
	case fieldChangeTime:
		return s.readTime(&n.ChangeTime)
	case fieldUID:
		return s.readUint32(&n.UID)
	case fieldGID:
		return s.readUint32(&n.GID)
	case fieldUser:
		return s.readText(&n.User)
	case fieldGroup:
		return s.readText(&n.Group)
	case fieldInode:
		return s.readUint64(&n.Inode)
	case fieldDeviceID:
		return s.readUint64(&n.DeviceID)
	case fieldSize:
		return s.readUint64(&n.Size)
	case fieldLinks:
		return s.readUint64(&n.Links)
	case fieldLinkTarget:
		return s.readText(&n.LinkTarget)
	case fieldLinkTargetRaw:
		raw, ok := s.readBase64()
		s.rawTarget, s.hasRawTarget = string(raw), true
		return ok
	case fieldExtendedAttributes:
		return s.readExtendedAttributes()
	case fieldGenericAttributes:
		return s.readGenericAttributes()
	case fieldDevice:
		return s.readUint64(&n.Device)
	case fieldContent:
		return s.readContent()
	case fieldSubtree:
		s.ids.begin()
		n.Subtree = s.ids.grow()
		return s.readID(n.Subtree)
	case fieldError:
		return s.readText(&n.Error)
	}
	panic("tree: field without a reader")
}

// meaning returns the text of a string that the lexer has read, which is
// valid until the next call.
func (s *Scanner) meaning(raw []byte, plain bool) []byte {
	if plain {
		return raw
	}
	s.scratch = unescape(s.scratch[:0], raw)
	return s.scratch
}

// readName undoes both layers around a name: the JSON string and, in it,
// what strconv.Quote did (see appendName).
func (s *Scanner) readName() bool {
	start := s.lex.pos
	raw, plain, ok := s.lex.text()
	if !ok {
		return false
	}
	if plain {
		s.node.Name = s.text.add(raw)
		return true
	}
	s.scratch = append(unescape(append(s.scratch[:0], '"'), raw), '"')
	name, err := strconv.Unquote(string(s.scratch))
	if err != nil {
		return s.lex.fail(start, "name is not quoted as it should be")
	}
	s.node.Name = name
	return true
}

// readType takes types that are not known, too: Validate refuses them.
func (s *Scanner) readType() bool {
	raw, plain, ok := s.lex.text()
	switch text := s.meaning(raw, plain); string(text) {
	case string(File):
		s.node.Type = File
	case string(Dir):
		s.node.Type = Dir
	case string(Symlink):
		s.node.Type = Symlink
	default:
		s.node.Type = Type(text)
	}
	return ok
}

// readTime reads a time as it stands: package time, too, takes no escapes.
func (s *Scanner) readTime(t *time.Time) bool {
	start := s.lex.pos
	raw, _, ok := s.lex.text()
	if !ok {
		return false
	}
	var err error
	if *t, err = s.clock.parse(raw); err != nil {
		return s.lex.fail(start, "not a time as in RFC 3339")
	}
	return true
}

func (s *Scanner) readUint32(v *uint32) bool {
	u, ok := s.lex.uint(32)
	*v = uint32(u)
	return ok
}

func (s *Scanner) readUint64(v *uint64) bool {
	u, ok := s.lex.uint(64)
	*v = u
	return ok
}

func (s *Scanner) readText(v *string) bool {
	raw, plain, ok := s.lex.text()
	if ok {
		*v = s.text.add(s.meaning(raw, plain))
	}
	return ok
}

func (s *Scanner) readContent() bool {
	if !s.lex.expect('[') {
		return false
	}
	s.ids.begin()
	for first := true; s.lex.more(first, ']'); first = false {
		if !s.readID(s.ids.grow()) {
			return false
		}
	}
	s.node.Content = s.ids.list()
	return s.lex.err == nil
}

// readID reads 64 hex digits in lower case, as they stand. No digit can end
// the string or escape anything, so there is no need to look for its end.
func (s *Scanner) readID(i *id.ID) bool {
	const length = 2*id.Size + len(`""`)
	s.lex.peek()
	start := s.lex.pos
	if len(s.lex.data)-start < length {
		return s.lex.fail(start, "want an ID")
	}
	text := s.lex.data[start : start+length]
	all := byte(isHex)
	for k := range i {
		high, low := hexDigits[text[2*k+1]], hexDigits[text[2*k+2]]
		all &= high & low
		i[k] = high<<4 | low&0xf
	}
	if all&isHex == 0 || text[0] != '"' || text[length-1] != '"' {
		return s.lex.fail(start, "want an ID")
	}
	s.lex.pos += length
	return true
}

// isHex marks the entries of hexDigits that stand for a digit.
const isHex = 0x10

// hexDigits gives the value of each digit, plus isHex, and 0 for all other
// bytes.
var hexDigits = [256]byte{
	'0': isHex, '1': isHex + 1, '2': isHex + 2, '3': isHex + 3,
	'4': isHex + 4, '5': isHex + 5, '6': isHex + 6, '7': isHex + 7,
	'8': isHex + 8, '9': isHex + 9, 'a': isHex + 10, 'b': isHex + 11,
	'c': isHex + 12, 'd': isHex + 13, 'e': isHex + 14, 'f': isHex + 15,
}

// readBase64 returns bytes that are not nil.
func (s *Scanner) readBase64() ([]byte, bool) {
	start := s.lex.pos
	raw, plain, ok := s.lex.text()
	if !ok {
		return nil, false
	}
	text := s.meaning(raw, plain)
	value := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	length, err := base64.StdEncoding.Decode(value, text)
	if err != nil {
		return nil, s.lex.fail(start, "not base64")
	}
	return value[:length], true
}

func (s *Scanner) readExtendedAttributes() bool {
	if !s.lex.expect('[') {
		return false
	}
	for first := true; s.lex.more(first, ']'); first = false {
		var attribute ExtendedAttribute
		if !s.readExtendedAttribute(&attribute) {
			return false
		}
		s.node.ExtendedAttributes = append(s.node.ExtendedAttributes, attribute)
	}
	return s.lex.err == nil
}

func (s *Scanner) readExtendedAttribute(attribute *ExtendedAttribute) bool {
	if !s.lex.expect('{') {
		return false
	}
	var seenName, seenValue bool
	for first := true; s.lex.more(first, '}'); first = false {
		start := s.lex.pos
		raw, plain, ok := s.lex.key()
		if !ok {
			return false
		}
		key := s.meaning(raw, plain)
		isName, isValue := bytes.EqualFold(key, []byte("name")), bytes.EqualFold(key, []byte("value"))
		if isName && seenName || isValue && seenValue {
			return s.lex.fail(start, "field given twice")
		}
		seenName, seenValue = seenName || isName, seenValue || isValue
		switch isNull := s.lex.peek() == 'n'; {
		case isName && !isNull:
			ok = s.readText(&attribute.Name)
		case isValue && !isNull:
			attribute.Value, ok = s.readBase64()
		default:
			ok = s.lex.skip(4)
		}
		if !ok {
			return false
		}
	}
	return s.lex.err == nil
}

func (s *Scanner) readGenericAttributes() bool {
	if !s.lex.expect('{') {
		return false
	}
	s.node.GenericAttributes = make(map[string]json.RawMessage)
	for first := true; s.lex.more(first, '}'); first = false {
		raw, plain, ok := s.lex.key()
		if !ok {
			return false
		}
		name := string(s.meaning(raw, plain))
		s.lex.peek()
		start := s.lex.pos
		if !s.lex.skip(3) {
			return false
		}
		s.node.GenericAttributes[name] = slices.Clone(s.lex.data[start:s.lex.pos])
	}
	return s.lex.err == nil
}

package tree

import (
	"bytes"
	"iter"
)

// Scanner reads a tree node by node, in the order in which they are stored:
//
//	s := tree.NewScanner(data)
//	for s.Next() {
//		use(s.Node(), s.Raw())
//	}
//	if err := s.Err(); err != nil { ... }
//
// It takes any JSON that encoding/json would take for a tree, with these
// exceptions: a field given twice, a null in place of a node, an ID or an
// extended attribute, an ID in upper case. It does not judge what the nodes
// say: see Validate. Memory is bounded by the size of one node.
type Scanner struct {
	lex  lexer
	want fieldSet
	at   place

	node Node
	raw  []byte
	// rawTarget overrules the node's LinkTarget, wherever it stands.
	rawTarget    string
	hasRawTarget bool
	// follower holds the field that came after each field the last time.
	follower [fieldCount]field

	text    textArena
	ids     idArena
	clock   clock
	scratch []byte
}

// place says what part of the tree is to be read next.
type place uint8

const (
	beforeNodes place = iota
	firstNode
	nextNode
	afterNodes
)

// NewScanner returns a Scanner of all fields.
func NewScanner(data []byte) *Scanner {
	return &Scanner{lex: lexer{data: data}, want: allFields}
}

// NewLightScanner returns a Scanner of no more than what tells whether a
// file has changed: Name, Type, Size, ModTime, ChangeTime, Inode, DeviceID,
// Content and Subtree. The others are zero; Raw has them all.
func NewLightScanner(data []byte) *Scanner {
	return &Scanner{lex: lexer{data: data}, want: setOf(fieldName, fieldType, fieldSize,
		fieldModTime, fieldChangeTime, fieldInode, fieldDeviceID, fieldContent, fieldSubtree)}
}

// Reset makes s read another tree, and keeps its memory and its fields.
func (s *Scanner) Reset(data []byte) {
	s.lex = lexer{data: data}
	s.at = beforeNodes
	s.raw = nil
}

// Next reads the next node. It returns false at the end of the tree and at
// an error.
func (s *Scanner) Next() bool {
	if s.lex.err != nil || (s.at == beforeNodes && !s.open()) || s.at == afterNodes {
		return false
	}
	if !s.lex.more(s.at == firstNode, ']') {
		s.at = afterNodes
		s.close()
		return false
	}
	s.at = nextNode
	s.lex.peek()
	start := s.lex.pos
	if !s.readNode() {
		return false
	}
	s.raw = s.lex.data[start:s.lex.pos:s.lex.pos]
	return true
}

// Node returns the node that Next has read. The next call of Next fills it
// anew: to keep it, copy the struct. What it points to stays.
func (s *Scanner) Node() *Node { return &s.node }

// Raw returns the JSON object of the node that Next has read: a part of the
// data given to NewScanner.
func (s *Scanner) Raw() []byte { return s.raw }

// Offset returns where in the data the node that Next has read ends.
func (s *Scanner) Offset() int { return s.lex.pos }

// Err returns the *SyntaxError that ended the scan, or nil if it was the end
// of the tree.
func (s *Scanner) Err() error {
	if s.lex.err == nil {
		return nil
	}
	return s.lex.err
}

// open reads up to the first node. It returns false if there is none.
func (s *Scanner) open() bool {
	if !s.lex.expect('{') {
		return false
	}
	if !s.findNodes(true) {
		s.at = afterNodes
		s.end()
		return false
	}
	if s.lex.peek() == 'n' {
		s.at = afterNodes
		return s.lex.literal("null") && s.close()
	}
	s.at = firstNode
	return s.lex.expect('[')
}

// close reads what follows the nodes, among which must be no second nodes.
// It always returns false.
func (s *Scanner) close() bool {
	if s.findNodes(false) {
		return s.lex.fail(s.lex.pos, "nodes given twice")
	}
	s.end()
	return false
}

// findNodes reads the members of the tree's object up to the value of
// "nodes". It returns false when the object has ended without.
func (s *Scanner) findNodes(first bool) bool {
	for ; s.lex.more(first, '}'); first = false {
		raw, plain, ok := s.lex.key()
		if !ok {
			return false
		}
		if bytes.EqualFold(s.meaning(raw, plain), []byte("nodes")) {
			return true
		}
		if !s.lex.skip(1) {
			return false
		}
	}
	return false
}

// end checks that nothing follows the tree.
func (s *Scanner) end() {
	if s.lex.err == nil && (s.lex.peek() != 0 || s.lex.pos < len(s.lex.data)) {
		s.lex.fail(s.lex.pos, "data after the tree")
	}
}

// Entry is a node with its JSON as it stands in the tree.
type Entry struct {
	Node Node
	Raw  []byte
}

// Nodes returns the nodes of a tree, all fields read, and last the error
// that ended it, if any. Raw is a part of data.
func Nodes(data []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := NewScanner(data)
		for s.Next() {
			if !yield(Entry{Node: s.node, Raw: s.raw}, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(Entry{}, err)
		}
	}
}

// Find returns the node of the given name, and whether there is one. It
// looks through the whole tree, since some that were written long ago are
// not in order.
func Find(data []byte, name string) (Entry, bool, error) {
	s := &Scanner{lex: lexer{data: data}, want: setOf(fieldName)}
	for s.Next() {
		if s.node.Name != name {
			continue
		}
		// Read the node again, with all that was passed over.
		s.want = allFields
		s.lex.pos -= len(s.raw)
		if !s.readNode() {
			break
		}
		return Entry{Node: s.node, Raw: s.raw}, true, nil
	}
	return Entry{}, false, s.Err()
}

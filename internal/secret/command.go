package secret

import (
	"errors"
	"strings"
)

// ParseCommand splits a command line, as --password-command takes it, into a
// program and its arguments. White space separates; single quotes keep
// everything as it is, double quotes keep white space; a backslash outside
// single quotes keeps the next character. Nothing is expanded: no shell runs.
func ParseCommand(line string) (Ref, error) {
	s := splitter{}
	for _, c := range line {
		s.next(c)
	}
	if s.quote != 0 {
		return Ref{}, errors.New("the command of a secret has a quote that is not closed")
	}
	if s.escaped {
		return Ref{}, errors.New("the command of a secret ends in a backslash")
	}
	s.endWord()
	r := Ref{Command: s.words}
	return r, r.Validate()
}

// splitter reads a command line character by character.
type splitter struct {
	words   []string
	word    strings.Builder
	inWord  bool // also true for an empty word in quotes
	quote   rune // the quote we are in, or 0
	escaped bool // the last character was a backslash
}

func (s *splitter) next(c rune) {
	switch {
	case s.escaped:
		s.escaped = false
		s.add(c)
	case c == '\\' && s.quote != '\'':
		s.escaped, s.inWord = true, true
	case s.quote != 0 && c == s.quote:
		s.quote = 0
	case s.quote != 0:
		s.add(c)
	case c == '\'' || c == '"':
		s.quote, s.inWord = c, true
	case strings.ContainsRune(" \t\r\n", c):
		s.endWord()
	default:
		s.add(c)
	}
}

func (s *splitter) add(c rune) {
	s.word.WriteRune(c)
	s.inWord = true
}

func (s *splitter) endWord() {
	if !s.inWord {
		return
	}
	s.words = append(s.words, s.word.String())
	s.word.Reset()
	s.inWord = false
}

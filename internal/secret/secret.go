// Package secret holds references to secrets: where a password lies, never
// the password. A configuration can then be shown, logged and committed.
//
// A Ref says where to look; Resolve looks and returns a Value. Both print as
// "***", whatever the verb, and no error of this package holds a secret or
// the arguments of a command, which may be one.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
)

// hidden is what a secret, and a reference to one, prints as.
const hidden = "***"

// Ref says where a secret lies. Exactly one field is set; the zero Ref
// refers to nothing.
type Ref struct {
	// Env names an environment variable.
	Env string `yaml:"env,omitempty"`
	// File is the path of a file that holds the secret and nothing else.
	// White space around it, such as the newline an editor leaves, is not
	// part of the secret.
	File string `yaml:"file,omitempty"`
	// Command is a program and its arguments, run without a shell. It
	// prints the secret, which is trimmed as that of a file.
	Command []string `yaml:"command,omitempty,flow"`
}

var (
	// ErrNoReference says that a Ref does not say where the secret lies.
	ErrNoReference = errors.New("no reference to a secret: set env, file or command")
	// ErrAmbiguous says that a Ref names more than one place.
	ErrAmbiguous = errors.New("more than one place for a secret: set only one of env, file and command")
	// ErrEmpty says that the place was found and held nothing.
	ErrEmpty = errors.New("the secret is empty")
)

// IsZero tells whether r refers to nothing.
func (r Ref) IsZero() bool { return r.Env == "" && r.File == "" && len(r.Command) == 0 }

// Validate returns ErrNoReference or ErrAmbiguous when r is not usable. It
// does not look whether the secret is there.
func (r Ref) Validate() error {
	places := 0
	for _, set := range []bool{r.Env != "", r.File != "", len(r.Command) > 0} {
		if set {
			places++
		}
	}
	switch {
	case places == 0:
		return ErrNoReference
	case places > 1:
		return ErrAmbiguous
	case len(r.Command) > 0 && r.Command[0] == "":
		return errors.New("the command of a secret has no program")
	}
	return nil
}

// Place names where r points, for messages: all but a command's arguments.
func (r Ref) Place() string {
	switch {
	case r.Env != "":
		return "environment variable " + r.Env
	case r.File != "":
		return "file " + r.File
	case len(r.Command) > 0:
		return "command " + r.Command[0]
	}
	return "nowhere"
}

// In returns r with a relative file path taken from folder instead of from
// the working directory.
func (r Ref) In(folder string) Ref {
	if r.File != "" && !filepath.IsAbs(r.File) {
		r.File = filepath.Join(folder, r.File)
	}
	return r
}

// Format prints "***" for every verb.
func (Ref) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hidden) }

// LogValue is what structured logs show.
func (Ref) LogValue() slog.Value { return slog.StringValue(hidden) }

// Value is a secret. It prints as "***"; only Reveal gives it away. The zero
// Value is the empty secret.
//
// The text lies behind a pointer because fmt cannot call Format on a Value
// in somebody's unexported field: there it prints an address.
type Value struct{ text *string }

// New makes a Value of a secret that did not come from a Ref, such as one
// typed at a prompt.
func New(text string) Value { return Value{text: &text} }

// Reveal returns the secret itself.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// Format prints "***" for every verb.
func (Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hidden) }

// LogValue is what structured logs show.
func (Value) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText keeps the secret out of JSON, YAML and everything else that
// encodes text.
func (Value) MarshalText() ([]byte, error) { return []byte(hidden), nil }

package codec

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Level says how much work goes into compression. The zero value is Default.
// Every level writes what every reader of the format reads.
type Level uint8

// The levels, by the names restic's --compression gives them.
const (
	Default Level = iota // auto: blobs are compressed unless that gains nothing
	Off                  // blobs are stored as they are; index and snapshots are still compressed
	Fastest
	Better
	Max
)

var levelNames = [...]string{Default: "auto", Off: "off", Fastest: "fastest", Better: "better", Max: "max"}

// ErrLevel marks the name of a level that does not exist.
var ErrLevel = errors.New("unknown compression level")

// ParseLevel reads auto, off, fastest, better or max. It returns ErrLevel for
// anything else.
func ParseLevel(name string) (Level, error) {
	for level, known := range levelNames {
		if name == known {
			return Level(level), nil
		}
	}
	return Default, fmt.Errorf("%w %q: want auto, off, fastest, better or max", ErrLevel, name)
}

// String returns the name that ParseLevel reads.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("invalid level %d", uint8(l))
}

// MarshalText writes the name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the name.
func (l *Level) UnmarshalText(text []byte) error {
	parsed, err := ParseLevel(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}

// effort returns the library's name for the level. With Off, what is
// compressed nevertheless is compressed as by default.
func (l Level) effort() zstd.EncoderLevel {
	switch l {
	case Fastest:
		return zstd.SpeedFastest
	case Better:
		return zstd.SpeedBetterCompression
	case Max:
		return zstd.SpeedBestCompression
	}
	return zstd.SpeedDefault
}

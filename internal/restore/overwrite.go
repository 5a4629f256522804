package restore

import (
	"fmt"
	"strings"

	"holdfast/internal/source"
)

// Overwrite says what happens to what is in the target already.
type Overwrite string

// The overwrite modes. In all of them folders that exist are used as they
// are, and what stands in the place of something of another type is replaced
// if the mode permits it for a file; a folder only if it is empty.
const (
	// IfChanged compares the content of files that exist, blob by blob, and
	// writes only what differs. Metadata are set for all. It is the default,
	// the zero value.
	IfChanged Overwrite = "if-changed"
	// Always writes everything anew.
	Always Overwrite = "always"
	// IfNewer replaces only files that are older than those in the snapshot.
	IfNewer Overwrite = "if-newer"
	// Never leaves everything that exists alone.
	Never Overwrite = "never"
)

var overwriteModes = []Overwrite{IfChanged, Always, IfNewer, Never}

// ParseOverwrite reads the name of a mode; "" is IfChanged.
func ParseOverwrite(s string) (Overwrite, error) {
	o := Overwrite(s)
	return o, o.validate()
}

func (o Overwrite) validate() error {
	names := make([]string, 0, len(overwriteModes))
	for _, mode := range overwriteModes {
		if o == mode || o == "" {
			return nil
		}
		names = append(names, string(mode))
	}
	return fmt.Errorf("unknown overwrite mode %q: want %s", string(o), strings.Join(names, ", "))
}

// replaces tells whether an item last modified at is may give way to one of
// the snapshot that was modified at then.
func (o Overwrite) replaces(is, then source.Time) bool {
	switch o {
	case Never:
		return false
	case IfNewer:
		return is.Before(then)
	}
	return true
}

// compares tells whether content that is there already may be used.
func (o Overwrite) compares() bool { return o == IfChanged || o == "" }

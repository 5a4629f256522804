package archive

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The layout of an ACL in an extended attribute of Linux
// (linux/posix_acl_xattr.h).
const (
	aclVersion    = 2
	aclHeaderSize = 4
	aclEntrySize  = 8
)

// aclTags names the kinds of entries, and tells which are of somebody.
var aclTags = map[uint16]struct {
	name  string
	named bool
}{
	0x01: {"user", false}, 0x02: {"user", true},
	0x04: {"group", false}, 0x08: {"group", true},
	0x10: {"mask", false}, 0x20: {"other", false},
}

// aclText returns the text form of an ACL, a line for each entry, with
// numeric IDs: the names may belong to others where the archive is unpacked.
func aclText(value []byte) (string, error) {
	if len(value) < aclHeaderSize || (len(value)-aclHeaderSize)%aclEntrySize != 0 {
		return "", fmt.Errorf("it has %d bytes", len(value))
	}
	if v := binary.LittleEndian.Uint32(value); v != aclVersion {
		return "", fmt.Errorf("it has version %d", v)
	}
	var text strings.Builder
	for e := value[aclHeaderSize:]; len(e) > 0; e = e[aclEntrySize:] {
		tag, ok := aclTags[binary.LittleEndian.Uint16(e)]
		if !ok {
			return "", fmt.Errorf("it has an entry of kind %#x", binary.LittleEndian.Uint16(e))
		}
		who := ""
		if tag.named {
			who = fmt.Sprint(binary.LittleEndian.Uint32(e[4:]))
		}
		fmt.Fprintf(&text, "%s:%s:%s\n", tag.name, who, permissions(binary.LittleEndian.Uint16(e[2:])))
	}
	return text.String(), nil
}

func permissions(bits uint16) string {
	text := []byte("rwx")
	for n := range text {
		if bits&(4>>n) == 0 {
			text[n] = '-'
		}
	}
	return string(text)
}

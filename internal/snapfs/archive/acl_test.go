package archive

import (
	"strings"
	"testing"
)

func TestACLText(t *testing.T) {
	// As Linux stores u::rw-,u:1000:r-x,g::r--,g:5:---,m::rwx,o::--x.
	value := "\x02\x00\x00\x00" +
		"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x05\x00\xe8\x03\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x08\x00\x00\x00\x05\x00\x00\x00" +
		"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x01\x00\xff\xff\xff\xff"
	want := "user::rw-\nuser:1000:r-x\ngroup::r--\ngroup:5:---\nmask::rwx\nother::--x\n"
	got, err := aclText([]byte(value))
	if err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "\x02\x00\x00", "\x03\x00\x00\x00", value[:len(value)-1], strings.Replace(value, "\x10", "\x11", 1)} {
		if got, err := aclText([]byte(bad)); err == nil {
			t.Errorf("%q is taken for %q", bad, got)
		}
	}
}

func FuzzACLText(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, value []byte) {
		text, err := aclText(value)
		if err == nil && strings.Count(text, "\n") != len(value)/aclEntrySize {
			t.Errorf("%q has not an entry in each line", text)
		}
	})
}

func TestDeviceNumbers(t *testing.T) {
	for dev, want := range map[uint64][2]int64{
		0x103: {1, 3}, 0x0000_0000_0010_0800: {8, 256}, 0xffff_f000_0000_0000: {0xffff_f000, 0},
	} {
		if major, minor := deviceNumbers(dev); major != want[0] || minor != want[1] {
			t.Errorf("%#x is %d:%d, want %v", dev, major, minor, want)
		}
	}
}

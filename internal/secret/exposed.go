package secret

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// othersMayRead are the permission bits by which people other than its owner
// read a file.
const othersMayRead fs.FileMode = 0o044

// Warning tells when the file that r names can be read by others, with what
// to do about it; "" when there is nothing to say. Permission bits say
// nothing on Windows.
func (r Ref) Warning() string {
	if r.File == "" || runtime.GOOS == "windows" {
		return ""
	}
	info, err := os.Stat(r.File)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&othersMayRead == 0 {
		return ""
	}
	return fmt.Sprintf("%s holds a secret and others may read it (mode %04o): chmod 600 %s", r.File, info.Mode().Perm(), r.File)
}

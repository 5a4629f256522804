package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// RestoredSetting is a setting of holdfast's own, to which servers pay no heed. A
// restore writes it into the data directory, from where it goes into all that is
// made of that, base backups and standbys: so whoever archives the log of a server
// knows that it was restored, and by which restore.
const RestoredSetting = "holdfast.restored"

// RestoredArchives is its value where a restore was told that the server goes
// on archiving as the original did.
const RestoredArchives = "archives"

// autoConf is the file of settings that a server writes itself.
const autoConf = "postgresql.auto.conf"

// RestoredMark returns what RestoredSetting is in a data directory; "" if nothing
// is said.
func RestoredMark(data string) (string, error) {
	content, err := os.ReadFile(filepath.Join(data, autoConf))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find out whether the server was restored: %w", err)
	}
	mark := ""
	for line := range strings.Lines(string(content)) { // the last one counts
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(name) == RestoredSetting {
			mark = strings.Trim(strings.TrimSpace(value), "'")
		}
	}
	return mark, nil
}

// BackupOfStandby tells whether a restored data directory, which has not been
// started yet, is that of a base backup of a standby.
func BackupOfStandby(data string) bool {
	label, err := os.ReadFile(filepath.Join(data, "backup_label"))
	return err == nil && strings.Contains(string(label), "BACKUP FROM: standby\n")
}

package restserver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast/test/servers"
)

// Both programs over SFTP on one folder: holdfast by itself, restic by way of
// OpenSSH's server without the connection.
func TestSFTP(t *testing.T) {
	server := servers.SSH(t)
	dir := filepath.Join(server.Dir(t), "repository")
	ours, restic := clients(t, fmt.Sprintf("sftp://%s@%s:%d/%s", server.User, server.Host, server.Port, dir))
	home := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
	config := fmt.Sprintf("IdentityFile %s\nUserKnownHostsFile %s\n", server.KeyFile, server.KnownHostsFile)
	must(t, os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte(config), 0o600))
	live(t, ours.With("HOME="+home), ours.With("HOME="+home), restic.With("RESTIC_REPOSITORY="+dir))
}

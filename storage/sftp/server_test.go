package sftp_test

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/sftp"
	"holdfast/storage/storagetest"
	"holdfast/test/servers"
)

// sftpServer is OpenSSH's server without the connection.
const sftpServer = "exec /usr/lib/openssh/sftp-server"

// TestContractWithoutOpenSSH runs the ways of servers of which nothing is
// known: with hard links, and with nothing but a rename.
func TestContractWithoutOpenSSH(t *testing.T) {
	for name, command := range map[string]string{
		"hard links":   sftpServer,
		"renames only": sftpServer + " -P hardlink,fsync",
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Store {
				dir := servers.SSH(t).Dir(t)
				s := open(t, sftp.Options{Host: "unknown", Path: dir, Command: command})
				t.Cleanup(func() {
					if files := leftovers(t, s, dir); len(files) != 0 {
						t.Errorf("files are left behind: %q", files)
					}
				})
				return s
			})
		})
	}
}

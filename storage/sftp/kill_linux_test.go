package sftp_test

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/sftp"
	"holdfast/storage/storagetest"
)

func TestKilledProcess(t *testing.T) {
	storagetest.Killed(t, func(folder string) storage.Store {
		return open(t, sftp.Options{Host: "here", Path: folder, Command: sftpServer})
	})
}

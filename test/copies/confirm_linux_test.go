package copies

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/program"
	"holdfast/test/servers"
	"holdfast/test/wan"
)

// confirmation is how a copy says that what it brought is there.
type confirmation struct {
	MessageType string `json:"message_type"`
	CheckedBy   string `json:"checked_by"`
	Checked     uint64 `json:"files_checked"`
	ReadBack    uint64 `json:"files_read_back"`
	Packs       uint64 `json:"packs_read_back"`
	Unconfirmed uint64 `json:"files_unconfirmed"`
}

// What is copied is known to be there, on every kind of store: the service
// vouches for it, or it is read back.
func TestCopiesAreConfirmed(t *testing.T) {
	s3, azure, gcs, ssh := servers.S3(t), servers.Azure(t), servers.GCS(t), servers.SSH(t)
	sftp := fmt.Sprintf("sftp://%s@%s:%d/%s/copy", ssh.User, ssh.Host, ssh.Port, ssh.Dir(t))
	keys := []string{"-o", "sftp.key-file=" + ssh.KeyFile, "-o", "sftp.known-hosts-file=" + ssh.KnownHostsFile}
	env := append(s3Env(s3), "HOLDFAST_PASSWORD="+password, "AZURE_ACCOUNT_NAME="+azure.Account, "AZURE_ACCOUNT_KEY="+azure.Key, "STORAGE_EMULATOR_HOST="+gcs.Endpoint)
	f := newFleet(t, env, nil)
	for name, place := range map[string]struct {
		url, by string
		flags   []string
	}{
		"s3":    {url: "s3:" + s3.Endpoint + "/" + s3.Bucket(t) + "/copy", by: "SHA-256"},
		"azure": {"azure:" + azure.Container(t) + ":/copy", "MD5", []string{"-o", "azure.endpoint=" + azure.Endpoint}},
		"gs":    {url: "gs:" + gcs.Bucket(t) + ":/copy", by: "CRC32C"},
		"sftp":  {sftp, "", keys},
		"rest":  {url: "rest:" + servers.Rest(t).URL + "copy"},
		"disk":  {url: filepath.Join(t.TempDir(), "copy")},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(args ...string) confirmation {
				t.Helper()
				all := program.JSON[confirmation](t, f.holdfast, append(args, place.flags...)...)
				return all[len(all)-1]
			}
			f.holdfast.Run(t, append([]string{"init", "-r", place.url}, place.flags...)...)
			got := run("copy", "-r", "main", "--to", place.url)
			if vouched := got.Checked >= 3 && got.ReadBack == 0; vouched != (place.by != "") || got.CheckedBy != place.by || got.Unconfirmed != 0 {
				t.Errorf("copied to %s: %+v", name, got)
			}
			if place.by == "" && (got.Checked != 0 || got.ReadBack < 3 || got.Packs < 1) {
				t.Errorf("copied to %s: %+v", name, got)
			}
			if name != "s3" && name != "sftp" {
				return // the rest does not depend on the kind of store
			}
			got = run("copy", "-r", "main", "--mirror", "--init", "--read-back", "--to", place.url+"-mirror")
			if got.Checked != 0 || got.ReadBack < 4 || got.Unconfirmed != 0 {
				t.Errorf("mirrored to %s with --read-back: %+v", name, got)
			}
			got = run("copy", "-r", "main", "--mirror", "--init", "--no-read-back", "--to", place.url+"-unread")
			if got.ReadBack != 0 || (got.Unconfirmed > 0) != (place.by == "") {
				t.Errorf("mirrored to %s with --no-read-back: %+v", name, got)
			}
		})
	}
}

// What is damaged on its way is not taken for a copy, then or by the next run.
func TestDamageOnTheWayIsNoCopy(t *testing.T) {
	server := servers.Rest(t, "--no-verify-upload") // takes everything
	for _, mirror := range []bool{false, true} {
		t.Run(fmt.Sprint("mirror ", mirror), func(t *testing.T) {
			f := newFleet(t, []string{"HOLDFAST_PASSWORD=" + password}, nil)
			proxy, err := wan.NewProxy(strings.TrimSuffix(server.URL, "/"), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer proxy.Close()
			to := fmt.Sprintf("rest:%s/copy-%v/", proxy.URL(), mirror)
			args := []string{"copy", "-r", "main", "--to", to}
			if mirror {
				args = append(args, "--mirror", "--init")
			} else {
				f.holdfast.Run(t, "init", "-r", to)
			}
			proxy.Set(wan.Rule{Fault: wan.WrongUpload, Method: "POST", Path: "/data/", Count: 1})
			r := f.holdfast.Exits(t, 1, args...)
			if !strings.Contains(r.Output(), "it was removed there") {
				t.Errorf("nobody said what happened: %s", r.Output())
			}
			f.holdfast.Run(t, args...)
			f.holdfast.Run(t, "check", "--read-data", "-r", to)
		})
	}
}

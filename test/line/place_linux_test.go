package line

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/servers"
	"holdfast/test/wan"
)

// longLine is how far most second sites are.
var longLine = wan.Options{RoundTrip: 50 * time.Millisecond, BitsPerSecond: 200e6}

// place is a kind of store behind a line.
type place struct {
	link    *wan.Link
	url     func(name string) string // of a folder there
	env     []string
	options []string // flags of every command
	// archives tells that the store takes more than repositories.
	archives bool
}

// places are the kinds of distant stores.
var places = map[string]func(t *testing.T) place{
	"s3":    s3Place,
	"azure": azurePlace,
	"gs":    gcsPlace,
	"sftp":  sftpPlace,
	"rest":  restPlace,
}

// linkTo puts a line before the server at a URL or an address, and returns the
// URL or address to reach it at.
func linkTo(t *testing.T, server string) (*wan.Link, string) {
	t.Helper()
	address := server
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		address = u.Host
	}
	link, err := wan.NewLink(address, longLine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	return link, strings.Replace(server, address, link.Address(), 1)
}

func s3Place(t *testing.T) place {
	s := servers.S3(t)
	link, endpoint := linkTo(t, s.Endpoint)
	bucket := s.Bucket(t)
	return place{
		link: link, archives: true,
		url: func(name string) string { return "s3:" + endpoint + "/" + bucket + "/" + name },
		env: []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_DEFAULT_REGION=" + s.Region},
	}
}

func azurePlace(t *testing.T) place {
	s := servers.Azure(t)
	link, endpoint := linkTo(t, s.Endpoint)
	container := s.Container(t)
	return place{
		link: link, archives: true,
		url:     func(name string) string { return "azure:" + container + ":/" + name },
		env:     []string{"AZURE_ACCOUNT_NAME=" + s.Account, "AZURE_ACCOUNT_KEY=" + s.Key},
		options: []string{"-o", "azure.endpoint=" + endpoint},
	}
}

func gcsPlace(t *testing.T) place {
	s := servers.GCS(t)
	link, endpoint := linkTo(t, s.Endpoint)
	bucket := s.Bucket(t)
	return place{
		link: link, archives: true,
		url: func(name string) string { return "gs:" + bucket + ":/" + name },
		env: []string{"STORAGE_EMULATOR_HOST=" + endpoint, "GOOGLE_PROJECT_ID=" + s.Project, "GOOGLE_ACCESS_TOKEN=any"},
	}
}

func sftpPlace(t *testing.T) place {
	s := servers.SSH(t)
	link, _ := linkTo(t, net.JoinHostPort(s.Host, fmt.Sprint(s.Port)))
	dir := s.Dir(t)
	host, port, err := net.SplitHostPort(link.Address())
	must(t, err)
	// The server's key is known under another address.
	known, err := os.ReadFile(s.KnownHostsFile)
	must(t, err)
	_, key, _ := strings.Cut(strings.TrimSpace(string(known)), " ")
	file := filepath.Join(t.TempDir(), "known_hosts")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "[%s]:%s %s\n", host, port, key), 0o600))
	return place{
		link: link, archives: true,
		url:     func(name string) string { return fmt.Sprintf("sftp://%s@%s/%s/%s", s.User, link.Address(), dir, name) },
		options: []string{"-o", "sftp.key-file=" + s.KeyFile, "-o", "sftp.known-hosts-file=" + file},
	}
}

// restPlace is restic's own server.
func restPlace(t *testing.T) place {
	s := servers.Rest(t)
	link, address := linkTo(t, s.URL)
	return place{
		link: link,
		url:  func(name string) string { return "rest:" + address + name + "/" },
	}
}

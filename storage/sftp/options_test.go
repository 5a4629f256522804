package sftp_test

import (
	"strings"
	"testing"

	"holdfast/storage/sftp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		url, location string // location "": refused
	}{
		{"sftp:alice@host:/srv/backup", "sftp://alice@host//srv/backup"},
		{"sftp:alice@host:backup/", "sftp://alice@host/backup"},
		{"sftp:host:/srv/../srv/./backup", "sftp://host//srv/backup"},
		{"sftp:alice@example.com@host:/srv", "sftp://alice%40example.com@host//srv"},
		{"sftp:alice@[2001:db8::1]:/srv", "sftp://alice@[2001:db8::1]//srv"},
		{"sftp:host:a:b", "sftp://host/a:b"},
		{"sftp://alice@host:2222//srv/backup", "sftp://alice@host:2222//srv/backup"},
		{"sftp://host/rel", "sftp://host/rel"},
		{"sftp://[2001:db8::1]:2222/rel", "sftp://[2001:db8::1]:2222/rel"},
		{"sftp://host", ""},
		{"sftp://host/", ""},
		{"sftp:host", ""},
		{"sftp::/srv", ""},
		{"sftp:host:", ""},
		{"sftp:-oProxyCommand=x:/srv", ""},
		{"sftp:host:~/backup", ""},
		{"sftp://host:99999/rel", ""},
		{"sftp://alice:secret@host/rel", ""},
		{"s3:host/bucket", ""},
	}
	for _, test := range tests {
		o, err := sftp.Parse(test.url)
		if err != nil || test.location == "" {
			if test.location != "" || err == nil {
				t.Errorf("Parse(%q) = %+v, %v; want %q", test.url, o, err, test.location)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("Parse(%q) shows a secret: %v", test.url, err)
			}
			continue
		}
		if got := sftp.Location(o); got != test.location {
			t.Errorf("Parse(%q) leads to %q, want %q", test.url, got, test.location)
		}
		again, err := sftp.Parse(test.location)
		if err != nil || again != o {
			t.Errorf("Parse(%q) = %+v, %v; want %+v as for %q", test.location, again, err, o, test.url)
		}
	}
}

func TestSettings(t *testing.T) {
	o, err := sftp.Parse("sftp:host:/srv")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"connections": "7", "port": "2222", "user": "bob", "key-file": "k", "known-hosts-file": "h",
		"config-file": "c", "command": "x", "args": "-4",
	} {
		if err := o.Set(name, value); err != nil {
			t.Errorf("Set(%s, %s): %v", name, value, err)
		}
	}
	want := sftp.Options{
		Host: "host", Path: "/srv", Connections: 7, Port: 2222, User: "bob", KeyFile: "k", KnownHostsFile: "h",
		ConfigFile: "c", Command: "x", Args: "-4",
	}
	if o != want {
		t.Errorf("options are %+v, want %+v", o, want)
	}
	for name, value := range map[string]string{"connections": "0", "port": "x", "speed": "high"} {
		if err := o.Set(name, value); err == nil {
			t.Errorf("Set(%s, %s) = nil, want an error", name, value)
		}
	}
}

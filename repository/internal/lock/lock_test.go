package lock

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestStale(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	dead := deadPID(t)
	tests := []struct {
		name string
		lock Info
		want bool
	}{
		{"fresh, elsewhere", Info{Time: now, Hostname: "elsewhere", PID: dead}, false},
		{"29 minutes, elsewhere", Info{Time: now.Add(-29 * time.Minute), Hostname: "elsewhere", PID: dead}, false},
		{"31 minutes, elsewhere", Info{Time: now.Add(-31 * time.Minute), Hostname: "elsewhere", PID: 1}, true},
		{"fresh, dead process here", Info{Time: now, Hostname: host, PID: dead}, true},
		{"fresh, living process here", Info{Time: now, Hostname: host, PID: os.Getpid()}, false},
		{"fresh, process of another user here", Info{Time: now, Hostname: host, PID: 1}, false},
		{"31 minutes, living process here", Info{Time: now.Add(-31 * time.Minute), Hostname: host, PID: os.Getpid()}, true},
		{"no PID", Info{Time: now, Hostname: host}, false},
		{"from the future", Info{Time: now.Add(time.Hour), Hostname: "elsewhere"}, false},
		{"no time", Info{Hostname: "elsewhere"}, true},
	}
	for _, test := range tests {
		if got := test.lock.IsStale(now); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// deadPID returns the ID of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^$")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid
}

func TestInfoDescribesThisProcess(t *testing.T) {
	i := newInfo(true)
	if i.PID != os.Getpid() || !i.Exclusive || i.conflicts(false) != true {
		t.Errorf("%+v", i)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"time":"2015-06-27T12:18:51.759239612+02:00","exclusive":false,"hostname":"kasimir","username":"fd0","pid":13607,"uid":1000,"gid":100}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"time":"0000-00-00","pid":-1}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		i, err := Decode(plain)
		if err != nil {
			return
		}
		_ = i.String()
		i.IsStale(time.Unix(1e9, 0))
		again, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(again)
		if err != nil || !back.Time.Equal(i.Time) {
			t.Fatalf("%v: %+v, was %+v", err, back, i)
		}
		back.Time = i.Time
		if back != i {
			t.Fatalf("%+v, was %+v", back, i)
		}
	})
}

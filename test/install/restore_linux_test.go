package install

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/internal/api"
)

// dashboard is where the service of a machine answers.
const dashboard = "127.0.0.1:9898"

// dial connects to the machine's own network, from a thread that is moved
// there and ends with it.
func (m *machine) dial(context.Context, string, string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var network *os.File
		if network, err = os.Open("/proc/" + m.pid + "/ns/net"); err != nil {
			return
		}
		defer network.Close()
		if err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		conn, err = net.Dial("tcp", dashboard)
	}()
	<-done
	return conn, err
}

// ask sends a request to the API, and reads its answer.
func (m *machine) ask(token, path string, request, answer any) (status int) {
	m.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: m.dial, DisableKeepAlives: true}}
	text, err := json.Marshal(request)
	must(m.t, err)
	r, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, "http://"+dashboard+"/api/v1/"+path, bytes.NewReader(text))
	must(m.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	must(m.t, err)
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	must(m.t, err)
	if err := json.Unmarshal(text, answer); err != nil {
		m.t.Fatalf("%s answers %d: %v\n%s", path, resp.StatusCode, err, text)
	}
	return resp.StatusCode
}

// checkRestores asks the service to restore to where it cannot write. It says
// why, and names the command that root restores there by. When holdfast.yaml
// allows the place, the unit has to follow before it works.
func (m *machine) checkRestores() {
	m.t.Helper()
	token := strings.TrimSpace(m.run("holdfast", "token", "create", "--name", "ann", "--role", "operator"))
	var plan api.RestorePlan
	var problem api.Problem
	q := api.RestoreRequest{Plan: "letters", Target: "/elsewhere/restored"}
	m.ask(token, "plan-restore", q, &plan)
	has(m.t, plan.Refused, "service.restore_dirs")
	q = plan.Request
	q.Confirm = plan.Confirm
	if status := m.ask(token, "restore", q, &problem); status != http.StatusConflict || len(problem.Command) == 0 {
		m.t.Fatalf("a restore to %s: %d %+v", q.Target, status, problem)
	}
	m.run(problem.Command...)
	m.run("cmp", "/letters/secret", "/elsewhere/restored/letters/secret")
	if mode := strings.TrimSpace(m.run("stat", "--format=%U %a", "/elsewhere/restored/letters/program")); mode != "root 4755" {
		m.t.Errorf("root's program came back as %s", mode)
	}

	config, err := os.ReadFile(m.path("/etc/holdfast/holdfast.yaml"))
	must(m.t, err)
	m.write("/etc/holdfast/holdfast.yaml", 0o600, string(config)+"\nservice:\n  restore_dirs: [/elsewhere]\n")
	m.run("systemctl", "reload", "holdfast")
	q = api.RestoreRequest{Plan: "letters", Target: "/elsewhere/by the service"}
	wait(m.t, "the service has read that it may restore to /elsewhere", func() bool {
		plan = api.RestorePlan{}
		m.ask(token, "plan-restore", q, &plan)
		return !strings.Contains(plan.Refused, "service.restore_dirs")
	})
	has(m.t, plan.Refused, "read-only file system")
	has(m.t, plan.Refused, "holdfast service install --now")
	m.run("holdfast", "service", "install", "--now")
	m.waitActive()
	plan = api.RestorePlan{}
	m.ask(token, "plan-restore", q, &plan)
	if plan.Refused != "" {
		m.t.Fatalf("with the unit as it should be: %s", plan.Refused)
	}
	q = plan.Request
	q.Confirm = plan.Confirm
	if status := m.ask(token, "restore", q, &problem); status != http.StatusAccepted {
		m.t.Fatalf("a restore to %s: %d %+v", q.Target, status, problem)
	}
	wait(m.t, "the restore ends", func() bool { return len(m.runs("restore")) > 0 })
	if last := m.runs("restore")[0]; last.Outcome != "succeeded" {
		m.t.Errorf("the restore %s: %s", last.Outcome, last.Reason)
	}
	m.run("cmp", "/letters/secret", "/elsewhere/by the service/letters/secret")
}

// checkPrivateTemp has restores go below /tmp, which the unit hides from all
// others at first: then nothing is restored there, and it is said how to change
// that.
func (m *machine) checkPrivateTemp() {
	m.t.Helper()
	token := strings.TrimSpace(m.run("holdfast", "token", "create", "--name", "bob", "--role", "operator"))
	config, err := os.ReadFile(m.path("/etc/holdfast/holdfast.yaml"))
	must(m.t, err)
	m.write("/etc/holdfast/holdfast.yaml", 0o600, strings.Replace(string(config), "restore_dirs: [/elsewhere]", "restore_dirs: [/elsewhere, /tmp/restored]", 1))
	if private := m.unitProperty("PrivateTmp"); private != "yes" {
		m.t.Fatalf("the unit has PrivateTmp=%s", private)
	}
	m.run("systemctl", "reload", "holdfast")
	q := api.RestoreRequest{Plan: "letters", Target: "/tmp/restored/letters"}
	var plan api.RestorePlan
	wait(m.t, "the service has read that it may restore to /tmp/restored", func() bool {
		plan = api.RestorePlan{}
		m.ask(token, "plan-restore", q, &plan)
		return !strings.Contains(plan.Refused, "service.restore_dirs")
	})
	has(m.t, plan.Refused, "the service has a /tmp of its own")
	has(m.t, plan.Refused, "holdfast service install --now")
	m.run("holdfast", "service", "install", "--now")
	m.waitActive()
	plan = api.RestorePlan{}
	m.ask(token, "plan-restore", q, &plan)
	if plan.Refused != "" {
		m.t.Fatalf("with the /tmp of everybody: %s", plan.Refused)
	}
	q = plan.Request
	q.Confirm = plan.Confirm
	before := len(m.runs("restore"))
	var answer api.Problem
	if status := m.ask(token, "restore", q, &answer); status != http.StatusAccepted {
		m.t.Fatalf("a restore to %s: %d %+v", q.Target, status, answer)
	}
	wait(m.t, "the restore to /tmp ends", func() bool { return len(m.runs("restore")) > before })
	m.run("cmp", "/letters/secret", q.Target+"/letters/secret")
}

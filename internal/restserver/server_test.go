package restserver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"holdfast/internal/restserver"
	"holdfast/storage"
	"holdfast/storage/local"
)

// serve starts a server and returns its URL and its folder.
func serve(t *testing.T, change func(*restserver.Config)) (url, dir string) {
	t.Helper()
	c := restserver.Config{
		Path: t.TempDir(), NoAuth: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Open: func(dir string, create bool) (storage.Store, error) {
			if create {
				return local.Create(dir)
			}
			return local.Open(dir)
		},
	}
	if change != nil {
		change(&c)
	}
	s, err := restserver.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return h.URL, c.Path
}

type result struct {
	status int
	header http.Header
	body   string
}

// send sends a request; header holds pairs of names and values.
func send(t *testing.T, method, url, body string, header ...string) result {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "user" {
			name, password, _ := strings.Cut(header[i+1], ":")
			req.SetBasicAuth(name, password)
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return result{resp.StatusCode, resp.Header, string(data)}
}

func wantStatus(t *testing.T, what string, got result, want int) {
	t.Helper()
	if got.status != want {
		t.Errorf("%s: status %d (%s), want %d", what, got.status, strings.TrimSpace(got.body), want)
	}
}

func idOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

const v1, v2 = "application/vnd.x.restic.rest.v1", "application/vnd.x.restic.rest.v2"

// What restic's rest-server answers, status by status.
func TestProtocol(t *testing.T) {
	url, dir := serve(t, nil)
	repo, data := url+"/some/repo", "content"
	id := idOf(data)
	for _, test := range []struct {
		method, url, body string
		want              int
	}{
		{"HEAD", repo + "/config", "", 404}, // there is no repository
		{"POST", repo + "/data/" + id, data, 404},
		{"POST", repo + "/", "", 400},
		{"POST", repo + "/?create=true", "", 200},
		{"POST", repo + "/?create=true", "", 200},
		{"GET", repo + "/", "", 405},
		{"DELETE", repo + "/", "", 405},
		{"HEAD", repo + "/config", "", 404},
		{"POST", repo + "/config", "the config", 200},
		{"POST", repo + "/config", "another", 403},
		{"GET", repo + "/config", "", 200},
		{"POST", repo + "/data/" + id, "other content", 400},
		{"HEAD", repo + "/data/" + id, "", 404},
		{"POST", repo + "/data/" + id, data, 200},
		{"POST", repo + "/data/" + id, data, 403},
		{"HEAD", repo + "/data/" + id, "", 200},
		{"PUT", repo + "/data/" + id, data, 405},
		{"DELETE", repo + "/data/", "", 405},
		{"GET", repo + "/data/..%2f..%2fconfig", "", 404},
		{"GET", repo + "/%2e%2e/config", "", 404},
		{"GET", url + "/.htpasswd", "", 405},
		{"GET", url + "/.htpasswd/config", "", 500},
		{"DELETE", repo + "/data/" + id, "", 200},
		{"DELETE", repo + "/data/" + id, "", 200}, // once more is no failure
		{"GET", repo + "/data/" + id, "", 404},
		{"POST", repo + "/holdfast/log/1", "any name", 200},
		{"POST", repo + "/holdfast/log/1", "any name", 403},
		{"GET", repo + "/holdfast/log/1", "", 200},
	} {
		if test.url == url+"/.htpasswd/config" {
			if err := os.WriteFile(filepath.Join(dir, ".htpasswd"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		wantStatus(t, test.method+" "+strings.TrimPrefix(test.url, url), send(t, test.method, test.url, test.body), test.want)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "some", "repo", "config")); err != nil || string(b) != "the config" {
		t.Errorf("on disk the config is %q, %v", b, err)
	}
}

func TestLists(t *testing.T) {
	url, dir := serve(t, nil)
	send(t, "POST", url+"/?create=true", "")
	var want []string
	for i := range 5 {
		data := fmt.Sprint("object ", i)
		want = append(want, idOf(data))
		wantStatus(t, "put", send(t, "POST", url+"/data/"+idOf(data), data), 200)
		wantStatus(t, "put", send(t, "POST", url+"/holdfast/log/"+fmt.Sprint(i), data), 200)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "00", "notes.txt"), nil, 0o600); err == nil {
		t.Log("a file that is no object is there")
	}
	var names []string
	got := send(t, "GET", url+"/data/", "")
	if err := json.Unmarshal([]byte(got.body), &names); err != nil || len(names) != len(want) || got.header.Get("Content-Type") != v1 {
		t.Errorf("names: %v, %v", got, err)
	}
	var entries []struct {
		Name string
		Size int64
	}
	got = send(t, "GET", url+"/data/", "", "Accept", v2)
	if err := json.Unmarshal([]byte(got.body), &entries); err != nil || len(entries) != len(want) || entries[0].Size != 8 || got.header.Get("Content-Type") != v2 {
		t.Errorf("names and sizes: %v, %v", got, err)
	}
	got = send(t, "GET", url+"/holdfast/log/", "")
	if err := json.Unmarshal([]byte(got.body), &entries); err != nil || len(entries) != 5 || len(entries[0].Name) != 1 {
		t.Errorf("keys of our own: %v, %v", got, err)
	}
	for _, empty := range []string{"/locks/", "/holdfast/none/"} {
		if got := send(t, "GET", url+empty, ""); got.body != "[]" || got.status != 200 {
			t.Errorf("empty list %s: %v", empty, got)
		}
	}
}

func TestRanges(t *testing.T) {
	url, _ := serve(t, nil)
	send(t, "POST", url+"/?create=true", "")
	data := "0123456789"
	object := url + "/index/" + idOf(data)
	send(t, "POST", object, data)
	for header, want := range map[string]result{
		"bytes=0-":    {206, nil, data},
		"bytes=4-6":   {206, nil, "456"},
		"bytes=-3":    {206, nil, "789"},
		"bytes=8-100": {206, nil, "89"},
		"":            {200, nil, data},
	} {
		if got := send(t, "GET", object, "", "Range", header); got.status != want.status || got.body != want.body {
			t.Errorf("range %q: %v, want %v", header, got, want)
		}
	}
	wantStatus(t, "range beyond the end", send(t, "GET", object, "", "Range", "bytes=10-"), 416)
}

func htpasswd(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), ".htpasswd")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func bcrypted(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + string(hash)
}

func TestUsers(t *testing.T) {
	file := htpasswd(t, "# a comment", bcrypted(t, "alice", "pa:ss"), "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "") // "password"
	var log bytes.Buffer
	url, _ := serve(t, func(c *restserver.Config) {
		c.NoAuth, c.PrivateRepos, c.HtpasswdFile, c.AccessLog = false, true, file, &log
	})
	for _, test := range []struct {
		user, path string
		want       int
	}{
		{"", "/alice/?create=true", 401},
		{"alice:pa:ss", "/alice/?create=true", 200},
		{"alice:pa:ss", "/alice/laptop/?create=true", 200},
		{"alice:pa:ss", "/bob/?create=true", 401},
		{"alice:pa:ss", "/?create=true", 401},
		{"alice:wrong", "/alice/?create=true", 401},
		{"bob:password", "/bob/?create=true", 200},
		{"bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "/bob/?create=true", 401},
		{"eve:pa:ss", "/eve/?create=true", 401},
	} {
		var header []string
		if test.user != "" {
			header = []string{"user", test.user}
		}
		wantStatus(t, test.user+" at "+test.path, send(t, "POST", url+test.path, "", header...), test.want)
	}
	if got := log.String(); strings.Contains(got, "pa:ss") || strings.Contains(got, "wrong") || !strings.Contains(got, ` - alice [`) || !strings.Contains(got, `"POST /alice/?create=true HTTP/1.1" 200`) {
		t.Errorf("access log:\n%s", got)
	}
}

func TestBadUsers(t *testing.T) {
	for line, words := range map[string]string{
		"alice:secret":       "not safe",
		"alice":              "not safe",
		"../x:{SHA}x":        "no user",
		"a:{SHA}x\na:{SHA}y": "twice",
	} {
		_, err := restserver.New(t.Context(), restserver.Config{HtpasswdFile: htpasswd(t, line), Path: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want an error with %q", line, err, words)
		}
	}
}

// Two clients put one object at the same instant: one wins.
func TestUploadsSideBySide(t *testing.T) {
	url, _ := serve(t, nil)
	send(t, "POST", url+"/?create=true", "")
	data := strings.Repeat("x", 1<<20)
	var mu sync.Mutex
	won := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if send(t, "POST", url+"/index/"+idOf(data), data).status == 200 {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 8 uploads of one object were acknowledged as the one stored", won)
	}
}

// An upload that breaks off leaves nothing, and gives its room back.
func TestBrokenUpload(t *testing.T) {
	url, dir := serve(t, func(c *restserver.Config) { c.MaxSizeBytes = 5000 })
	send(t, "POST", url+"/?create=true", "")
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /index/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nonly this much", idOf("x"))
		conn.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	data := strings.Repeat("y", 4000)
	for send(t, "POST", url+"/index/"+idOf(data), data).status != 200 {
		if time.Now().After(deadline) {
			t.Fatal("the room of broken uploads is not given back")
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "holdfast", "tmp", ".*"))
	if err != nil || len(files) != 0 {
		t.Errorf("left behind: %q, %v", files, err)
	}
}

// An upload whose length nobody knows is bounded all the same.
func TestQuotaOfChunkedUpload(t *testing.T) {
	url, _ := serve(t, func(c *restserver.Config) { c.MaxSizeBytes = 1000 })
	send(t, "POST", url+"/?create=true", "")
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/holdfast/x", io.MultiReader(strings.NewReader(strings.Repeat("x", 2000))))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("status %d, want 507", resp.StatusCode)
	}
}

func TestMetrics(t *testing.T) {
	url, _ := serve(t, func(c *restserver.Config) { c.Prometheus = true })
	send(t, "POST", url+"/repo/?create=true", "")
	send(t, "POST", url+"/repo/index/"+idOf("x"), "x")
	got := send(t, "GET", url+"/metrics", "")
	want := `rest_server_blob_write_bytes_total{user="",repo="repo",type="index"} 1`
	if got.status != 200 || !strings.Contains(got.body, want) {
		t.Errorf("metrics lack %s:\n%s", want, got.body)
	}
}

// The end of its context ends a server in order.
func TestServeStops(t *testing.T) {
	c := restserver.Config{Path: t.TempDir(), NoAuth: true, Log: slog.New(slog.DiscardHandler)}
	s, err := restserver.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := restserver.Listen("unix:" + filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, nil) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v, want nil after its context ended", err)
	}
}

// A server that was killed leaves its socket; the next one takes it over, but
// never from one that lives.
func TestListenOnSocketThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	first, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := restserver.Listen("unix:" + path); err == nil {
		t.Fatal("the socket of a living server is taken over")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := restserver.Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

// A client that sends without asking first learns why its upload was refused.
func TestRefusalOfAnUploadArrives(t *testing.T) {
	url, _ := serve(t, nil)
	send(t, "POST", url+"/?create=true", "")
	data := strings.Repeat("z", 20<<20)
	wantStatus(t, "first", send(t, "POST", url+"/index/"+idOf(data), data), 200)
	for range 5 {
		wantStatus(t, "again", send(t, "POST", url+"/index/"+idOf(data), data), 403)
	}
}

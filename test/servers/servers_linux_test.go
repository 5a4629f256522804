package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"

	"holdfast/test/tools"
)

func TestS3(t *testing.T) {
	s := S3(t)
	plain, locked := s.Bucket(t), s.Bucket(t, WithObjectLock())
	if plain == locked {
		t.Fatalf("two buckets are called %s", plain)
	}
	if _, _, _, _, err := s.Client().GetObjectLockConfig(t.Context(), locked); err != nil {
		t.Errorf("the bucket made with object lock has none: %v", err)
	}
	if _, _, _, _, err := s.Client().GetObjectLockConfig(t.Context(), plain); err == nil {
		t.Errorf("the bucket made without object lock has it")
	}
	versions, err := s.Client().GetBucketVersioning(t.Context(), s.Bucket(t, WithVersioning()))
	if err != nil || !versions.Enabled() {
		t.Errorf("versioning is %+v, %v", versions, err)
	}
	if again := S3(t); again != s {
		t.Errorf("the second call started another server")
	}
}

// An object that a lifecycle rule moves to the second server is read through
// the first one, which tells its class.
func TestS3ColdTier(t *testing.T) {
	s := S3(t)
	cold := s.Second(t)
	bucket := s.Bucket(t)
	rules := lifecycle.NewConfiguration()
	rules.Rules = []lifecycle.Rule{{ID: "cold", Status: "Enabled", Transition: lifecycle.Transition{StorageClass: ColdTier}}}
	if err := s.Client().SetBucketLifecycle(t.Context(), bucket, rules); err != nil {
		t.Fatal(err)
	}
	const body = "soon elsewhere"
	if _, err := s.Client().PutObject(t.Context(), bucket, "key", strings.NewReader(body), int64(len(body)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		info, err := s.Client().StatObject(t.Context(), bucket, "key", minio.StatObjectOptions{})
		if class := info.Metadata.Get("X-Amz-Storage-Class"); err == nil && class != ColdTier {
			err = fmt.Errorf("the storage class is %q", class)
		}
		return err
	})
	object, err := s.Client().GetObject(t.Context(), bucket, "key", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(object); err != nil || string(got) != body {
		t.Errorf("read %q, %v through the tier", got, err)
	}
	moved := 0
	for range cold.Client().ListObjects(t.Context(), "tier", minio.ListObjectsOptions{Recursive: true}) {
		moved++
	}
	if moved == 0 {
		t.Error("nothing lies on the second server")
	}
}

func TestAzure(t *testing.T) {
	s := Azure(t)
	container := s.Container(t)
	if _, err := s.Client().UploadBuffer(t.Context(), container, "key", []byte("body"), nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := s.Client().DownloadBuffer(t.Context(), container, "key", got, nil); err != nil || string(got) != "body" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestGCS(t *testing.T) {
	s := GCS(t)
	res, err := http.Get(s.Endpoint + "/storage/v1/b/" + s.Bucket(t))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the bucket answers %s", res.Status)
	}
}

func TestSSH(t *testing.T) {
	s := SSH(t)
	dir := s.Dir(t)
	cmd := exec.CommandContext(t.Context(), "sftp", "-b", "-", "-i", s.KeyFile, "-P", fmt.Sprint(s.Port),
		"-o", "UserKnownHostsFile="+s.KnownHostsFile, "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", s.User+"@"+s.Host)
	cmd.Stdin = strings.NewReader("mkdir " + dir + "/made\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sftp: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Error(err)
	}
}

func TestRest(t *testing.T) {
	s := Rest(t, "--append-only")
	res, err := http.Post(s.URL+"repo/?create=true", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := os.Stat(filepath.Join(s.Dir, "repo", "data")); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("a repository was not made: %s, %v", res.Status, err)
	}
}

// A server that cannot start says why.
func TestServerThatFails(t *testing.T) {
	wantLinux(t)
	_, _, err := start(server{
		program: "/bin/sh",
		command: func(string, int) ([]string, []string) { return []string{"-c", "echo no room >&2; exit 7"}, nil },
		ready:   func(context.Context, int) error { return errors.New("not yet") },
	})
	if err == nil || !strings.Contains(err.Error(), "no room") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("err = %v, want what the program said", err)
	}
}

// childVariable makes TestMain start a server and wait to be killed.
const childVariable = "HOLDFAST_TEST_SERVERS_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	p, _, err := start(server{
		tool: "rest-server",
		command: func(dir string, port int) ([]string, []string) {
			return []string{"--no-auth", "--listen", address(port), "--path", dir}, nil
		},
		ready: answers("/"),
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.cmd.Process.Pid, p.dir)
	select {}
}

// Neither the server nor its data outlives a test process that is killed.
func TestServersDieWithTheTests(t *testing.T) {
	wantLinux(t)
	if _, err := tools.Install(t.Context(), "rest-server"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	if _, err := fmt.Sscan(line, &pid, &dir); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, func() error {
		if gone(pid) {
			return nil
		}
		return errors.New("the server lives")
	})
	eventually(t, func() error {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("its folder is still there (%v)", err)
		}
		return nil
	})
}

// gone tells whether a process has ended. One that nobody waited for has.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
	return strings.Contains(string(stat), ") Z ")
}

// eventually fails the test unless holds returns nil within ten seconds.
func eventually(t *testing.T, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

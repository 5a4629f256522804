package archive

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/test/servers"
	"holdfast/test/wan"
)

// Over a long line, the line is the bound: reading a repository for an
// archive, writing archives, reading them back.
func TestLongLineIsKeptBusy(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	s := newSite(t)
	random := rand.NewChaCha8([32]byte{9})
	for n := range 300 { // half of it in small files
		size := 512 << 10
		if n%100 == 0 {
			size = 48 << 20
		}
		content := make([]byte, size)
		random.Read(content)
		must(t, os.WriteFile(s.path("src/"+strconv.Itoa(n)), content, 0o644))
	}
	minio := servers.S3(t)
	link, err := wan.NewLink(strings.TrimPrefix(minio.Endpoint, "http://"), wan.Options{RoundTrip: 50 * time.Millisecond, BitsPerSecond: 200e6})
	must(t, err)
	defer link.Close()
	bucket := minio.Bucket(t)
	near := s.holdfast.With("AWS_ACCESS_KEY_ID="+minio.AccessKey, "AWS_SECRET_ACCESS_KEY="+minio.SecretKey)
	far := "s3:http://" + link.Address() + "/" + bucket
	near.Run(t, "init", "-r", "s3:"+minio.Endpoint+"/"+bucket+"/repo")
	near.Run(t, "backup", "-r", "s3:"+minio.Endpoint+"/"+bucket+"/repo", "src")
	s.backup()

	busy := func(what string, usage func() wan.Usage, least float64, args ...string) {
		t.Helper()
		before, start := usage(), time.Now()
		near.Run(t, append([]string{"archive"}, args...)...)
		took, used := time.Since(start), usage().Since(before)
		t.Logf("%s: %.0f MB in %.1f s, the line busy %.0f %%", what, float64(used.Bytes)/1e6, took.Seconds(), 100*used.Share(took))
		if share := used.Share(took); share < least {
			t.Errorf("%s keeps the line busy for %.0f %% of the time, want %.0f %%", what, 100*share, 100*least)
		}
	}
	busy("export from a far repository", link.Down, 0.8, "export", "latest", "-r", far+"/repo", "--to", "archives", "--recipient", s.pub)
	busy("export to a far place", link.Up, 0.7, "export", "latest", "--to", far+"/archives", "--name", "far", "--split", "16M", "--recipient", s.pub)
	busy("verify a far archive", link.Down, 0.8, "verify", far+"/archives", "far", "-i", s.key)
}

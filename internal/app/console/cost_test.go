package console

import (
	"math"
	"testing"
)

func TestCostOf(t *testing.T) {
	const terabyte = 1 << 40
	c := costOf("s3:https://s3.amazonaws.com/bucket/path", terabyte)
	if c == nil || c.Currency != "USD" || math.Abs(c.PerMonth-1024*0.023) > 0.01 || c.Restore < 80 {
		t.Errorf("a terabyte at Amazon: %+v", c)
	}
	for _, url := range []string{"/srv/holdfast", "sftp:backup@host:/srv", "s3:https://minio.internal/bucket"} {
		if c := costOf(url, terabyte); c != nil {
			t.Errorf("%s costs %+v a month: nobody knows that", url, c)
		}
	}
	if c := costOf("s3:https://s3.amazonaws.com/bucket", 0); c != nil {
		t.Errorf("what is not known costs %+v", c)
	}
}

package cost_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"holdfast/internal/cost"
)

const (
	gb  = 1 << 30
	day = 24 * time.Hour
)

func service(t *testing.T, kind, host string) *cost.Service {
	t.Helper()
	s, ok := cost.BuiltIn().Find(kind, host)
	if !ok {
		t.Fatalf("no prices for %s %s", kind, host)
	}
	return s
}

func near(got, want float64) bool { return math.Abs(got-want) < 0.005 }

func TestFind(t *testing.T) {
	table := cost.BuiltIn()
	for _, test := range []struct{ kind, host, want string }{
		{"s3", "s3.us-west-2.amazonaws.com", "Amazon S3"},
		{"s3", "S3.Amazonaws.com", "Amazon S3"},
		{"s3", "s3.us-west-004.backblazeb2.com", "Backblaze B2"},
		{"azure", "acme.blob.core.windows.net", "Azure Blob Storage (LRS)"},
		{"gs", "storage.googleapis.com", "Google Cloud Storage"},
		{"s3", "minio.internal", ""},
		{"s3", "notamazonaws.com", ""},
		{"sftp", "host", ""},
	} {
		got := ""
		if s, ok := table.Find(test.kind, test.host); ok {
			got = s.Name
		}
		if got != test.want {
			t.Errorf("%s %s: %q, want %q", test.kind, test.host, got, test.want)
		}
	}
}

func TestMonth(t *testing.T) {
	s := service(t, "s3", "s3.amazonaws.com")
	lines, sum := s.Month([]cost.Holding{
		{Class: "", Objects: 10, Bytes: 10 * gb},
		{Class: "GLACIER_IR", Movable: true, Objects: 60_000, Bytes: 1000 * gb},
		{Class: "EXPRESS_ONEZONE", Objects: 1, Bytes: gb},
	})
	if !near(sum, 10*0.023+1000*0.004+0.023) {
		t.Errorf("the month costs %v", sum)
	}
	if lines[0].Class != "GLACIER_IR" || !lines[2].Unknown {
		t.Errorf("lines %+v", lines)
	}
}

func TestSmallObjectsAreBilledAsLargerOnes(t *testing.T) {
	s := service(t, "s3", "s3.amazonaws.com")
	_, sum := s.Month([]cost.Holding{{Class: "STANDARD_IA", Objects: 8192, Bytes: 8192}})
	if !near(sum, 0.0125) { // 8192 × 128 KiB are 1 GiB
		t.Errorf("the month costs %v", sum)
	}
}

func TestMoves(t *testing.T) {
	s := service(t, "s3", "s3.amazonaws.com")
	moves := s.Moves([]cost.Holding{
		{Class: "STANDARD", Movable: true, Objects: 64_000, Bytes: 1000 * gb},
		{Class: "STANDARD", Objects: 100, Bytes: 10 * gb},
	})
	if len(moves) == 0 || moves[0].Class != "DEEP_ARCHIVE" {
		t.Fatalf("moves %+v", moves)
	}
	for _, m := range moves {
		switch m.Class {
		case "STANDARD", "INTELLIGENT_TIERING":
			t.Errorf("%s saves nothing", m.Class)
		case "GLACIER_IR":
			if !near(m.Saves, 19) || !near(m.Once, 64*0.02) || !near(m.Restore, 1000*0.12+64*0.01) || m.ThawHours != 0 {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestEarlyDeletion(t *testing.T) {
	s := service(t, "s3", "s3.amazonaws.com")
	for _, test := range []struct {
		class string
		age   time.Duration
		want  float64
	}{
		{"GLACIER", 30 * day, 2 * 100 * 0.0036},
		{"GLACIER", 90 * day, 0},
		{"DEEP_ARCHIVE", 0, 6 * 100 * 0.00099},
		{"STANDARD", 0, 0},
		{"COLD", 0, 0},
	} {
		if got := s.EarlyDeletion(test.class, 100*gb, test.age); !near(got, test.want) {
			t.Errorf("%s after %v: %v, want %v", test.class, test.age, got, test.want)
		}
	}
	if s.IsCold("STANDARD") || s.IsCold("") || !s.IsCold("GLACIER_IR") || !s.IsCold("standard_ia") {
		t.Error("which classes are cold is wrong")
	}
}

func TestTablesAreChecked(t *testing.T) {
	good := `{"date":"2026-01-02","currency":"EUR","services":[{"name":"own","region":"dc1","kind":"s3","egress_gb":0,"default_class":"STANDARD","classes":[{"name":"STANDARD","gb_month":0.01}]}]}`
	table, err := cost.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := table.Find("s3", "minio.internal"); !ok || s.Name != "own" {
		t.Error("a service without hosts is for all hosts of its kind")
	}
	named, err := cost.Parse([]byte(strings.Replace(good, `"kind"`, `"hosts":["MinIO.internal"],"kind"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := named.Find("s3", "minio.internal"); !ok {
		t.Error("how the name of a machine is written counts")
	}
	for what, change := range map[string][2]string{
		"a misspelt key":      {"gb_month", "gb_moth"},
		"no date":             {"2026-01-02", "soon"},
		"no currency":         {"EUR", ""},
		"a negative price":    {"0.01", "-1"},
		"an unknown default":  {`"default_class":"STANDARD"`, `"default_class":"HOT"`},
		"something truncated": {"]}", ""},
		"an unknown kind":     {`"kind":"s3"`, `"kind":"S3"`},
		"a class twice":       {`"classes":[`, `"classes":[{"name":"Standard","gb_month":7},`},
		"a negative size":     {`"gb_month":0.01`, `"gb_month":0.01,"minimum_bytes":-1`},
		"negative hours":      {`"gb_month":0.01`, `"gb_month":0.01,"thaw_hours":-1`},
		"a second table":      {`]}]}`, `]}]}{"date":"2027-01-02"}`},
	} {
		if _, err := cost.Parse([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

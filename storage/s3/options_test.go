package s3_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/storage/s3"
)

func TestParse(t *testing.T) {
	const aws = "s3.amazonaws.com"
	tests := []struct {
		url                      string
		endpoint, bucket, prefix string
		plain                    bool
	}{
		// As restic writes them.
		{"s3:https://minio.example.com:9000/bucket/a/b", "minio.example.com:9000", "bucket", "a/b", false},
		{"s3:http://localhost:9000/bucket", "localhost:9000", "bucket", "", true},
		{"s3:http://[::1]:9000/bucket/", "[::1]:9000", "bucket", "", true},
		{"s3:s3.amazonaws.com/bucket/prefix", aws, "bucket", "prefix", false},
		{"s3:s3.eu-central-1.amazonaws.com/bucket", "s3.eu-central-1.amazonaws.com", "bucket", "", false},
		{"s3:host/bucket", "host", "bucket", "", false},
		{"s3:s3.amazonaws.com/bucket.with.dots/prefix/", aws, "bucket.with.dots", "prefix", false},
		// With two slashes.
		{"s3://bucket", aws, "bucket", "", false},
		{"s3://bucket/prefix/deeper", aws, "bucket", "prefix/deeper", false},
		{"s3://bucket.with.dots", aws, "bucket.with.dots", "", false},
		{"s3://backups.example.com/bucket", "backups.example.com", "bucket", "", false},
		{"s3://localhost/bucket", "localhost", "bucket", "", false},
		{"s3://host:9000/bucket", "host:9000", "bucket", "", false},
		{"s3://10.0.0.1/bucket/x", "10.0.0.1", "bucket", "x", false},
	}
	forgetCredentials(t)
	for _, test := range tests {
		o, err := s3.Parse(test.url)
		if err != nil || o.Endpoint != test.endpoint || o.Bucket != test.bucket || o.Prefix != test.prefix || o.PlainHTTP != test.plain {
			t.Errorf("Parse(%q) = %+v, %v", test.url, o, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	forgetCredentials(t)
	for url, says := range map[string]string{
		"azure:container:/":                     "another scheme",
		"s3:":                                   "no host",
		"s3:https:///bucket":                    "no host",
		"s3:https://host":                       "no bucket",
		"s3:https://host/":                      "no bucket",
		"s3://":                                 "no bucket",
		"s3:https://host/bucket/../other":       "prefix",
		"s3:https://host/bucket/a//b":           "prefix",
		"s3:https://host/bucket?x":              "question mark",
		"s3:https://id:hunter2@host/bucket":     "AWS_ACCESS_KEY_ID",
		"s3://id:hunter2@host:9000/bucket/some": "AWS_ACCESS_KEY_ID",
	} {
		o, err := s3.Parse(url)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q) = %+v, %v, want an error with %q", url, o, err, says)
		}
	}
}

func TestServiceOfTheEnvironment(t *testing.T) {
	forgetCredentials(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://minio:9000/")
	o, err := s3.Parse("s3://bucket.with.dots/prefix")
	if err != nil || o.Endpoint != "minio:9000" || !o.PlainHTTP || o.Bucket != "bucket.with.dots" || o.Prefix != "prefix" {
		t.Errorf("Parse = %+v, %v", o, err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
	if o, err = s3.Parse("s3://bucket"); err != nil || o.Endpoint != "s3.example.com" || o.PlainHTTP {
		t.Errorf("Parse = %+v, %v", o, err)
	}
	// A URL that names its service is not bent.
	if o, err = s3.Parse("s3:https://other/bucket"); err != nil || o.Endpoint != "other" {
		t.Errorf("Parse = %+v, %v", o, err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com/path")
	if _, err = s3.Parse("s3://bucket"); err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL_S3") {
		t.Errorf("Parse = %v", err)
	}
}

func TestSet(t *testing.T) {
	var o s3.Options
	for name, value := range map[string]string{
		"region": "eu-central-1", "bucket-lookup": "path", "profile": "p", "role-arn": "r", "unsafe-anonymous-auth": "true",
		"storage-class": "GLACIER_IR", "cold-classes": "A, B", "mark-bulk": "true", "object-lock": "1", "sse": "aws:kms",
		"sse-kms-key": "k", "ca-cert": "f", "connections": "7", "stall": "90s", "list-objects-v1": "true", "conditional-create": "no",
	} {
		if err := o.Set(name, value); err != nil {
			t.Error(err)
		}
	}
	if o.Region != "eu-central-1" || o.Lookup != s3.LookupPath || !o.Anonymous || o.StorageClass != "GLACIER_IR" || len(o.ColdClasses) != 2 ||
		!o.MarkBulk || !o.ObjectLock || o.Encryption != "aws:kms" || o.Connections != 7 || o.Stall != 90*time.Second || !o.ListV1 || o.ConditionalCreate != s3.No {
		t.Errorf("after Set: %+v", o)
	}
	for name, value := range map[string]string{
		"nothing": "x", "bucket-lookup": "x", "connections": "0", "stall": "soon", "sse": "rot13", "mark-bulk": "maybe", "conditional-create": "perhaps",
	} {
		if err := o.Set(name, value); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Set(%q, %q) = %v", name, value, err)
		}
	}
}

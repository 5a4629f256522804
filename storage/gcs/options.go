package gcs

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
)

// Options name a bucket and how to reach it. What is left empty comes from the
// environment, where that has it.
type Options struct {
	// Bucket and Prefix are the place; the prefix has no slash around it.
	Bucket, Prefix string

	// AccessToken is a token of OAuth 2.0 (GOOGLE_ACCESS_TOKEN), and
	// CredentialsFile a file of a service account or of workload identity.
	// With neither there are the application default credentials:
	// GOOGLE_APPLICATION_CREDENTIALS, what gcloud is logged in as, or the
	// service account of this machine.
	AccessToken, CredentialsFile string
	// Anonymous sends no credentials: for emulators and public buckets.
	Anonymous bool

	// ProjectID (GOOGLE_PROJECT_ID) and Region are for a bucket that is made
	// by Create. Default region: US.
	ProjectID, Region string
	// Lockable makes the bucket, if Create makes it, one in which objects can
	// be locked. It cannot be had later, and not be taken away again.
	Lockable bool

	// Endpoint is the URL of the service, for emulators and private access
	// (STORAGE_EMULATOR_HOST, then without credentials). Default
	// https://storage.googleapis.com.
	Endpoint string

	// StorageClass is the class objects are put into. Default: the one of the
	// bucket.
	StorageClass string
	// MarkBulk gives the objects put with PutOptions.Bulk a custom time, so
	// that lifecycle rules can tell them from the others.
	MarkBulk bool
	// Connections bounds the connections open at once; 0: no bound.
	Connections int
	// CACertFile holds authorities (PEM) to be trusted besides the system's.
	CACertFile string
	// ClientCertFile holds a certificate and its private key (PEM) to be shown
	// to the service.
	ClientCertFile string
	// AnyServer takes whoever answers for the service, unchecked. It is no
	// setting: nobody shall write it down and forget it.
	AnyServer bool
}

// Parse reads the URL of a place: gs:BUCKET:/PREFIX, as restic writes it, or
// gs://BUCKET/PREFIX.
func Parse(place string) (Options, error) {
	rest, ok := strings.CutPrefix(place, "gs:")
	if !ok {
		return Options{}, fmt.Errorf("%q is no place in Google Cloud Storage: write gs:BUCKET:/PREFIX", place)
	}
	var o Options
	var prefix string
	if named, ok := strings.CutPrefix(rest, "//"); ok {
		o.Bucket, prefix, _ = strings.Cut(named, "/")
	} else {
		o.Bucket, prefix, _ = strings.Cut(rest, ":")
	}
	o.Prefix = strings.Trim(path.Clean("/"+prefix), "/")
	if err := checkBucket(o.Bucket); err != nil {
		return Options{}, fmt.Errorf("the place %q: %w; write gs:BUCKET:/PREFIX", place, err)
	}
	return o, nil
}

func checkBucket(name string) error {
	if name == "" {
		return errors.New("names no bucket")
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	if len(name) < 3 || len(name) > 222 || strings.Trim(name, letters+"-_.") != "" ||
		!strings.Contains(letters, name[:1]) || !strings.Contains(letters, name[len(name)-1:]) {
		return fmt.Errorf("%q cannot be the name of a bucket: lower-case letters, digits, and - _ . between them", name)
	}
	return nil
}

// TrustAnyServer has whoever answers taken for the service.
func (o *Options) TrustAnyServer() { o.AnyServer = true }

// Set changes the setting of a name, as given with -o gs.NAME=VALUE. Secrets
// are no settings: command lines are for everybody to read.
func (o *Options) Set(name, value string) error {
	var err error
	switch name {
	case "project-id":
		o.ProjectID = value
	case "region":
		o.Region = value
	case "object-retention":
		o.Lockable, err = strconv.ParseBool(value)
	case "endpoint":
		o.Endpoint = value
	case "anonymous":
		o.Anonymous, err = strconv.ParseBool(value)
	case "credentials-file":
		o.CredentialsFile = value
	case "storage-class":
		o.StorageClass, err = class(value)
	case "mark-bulk":
		o.MarkBulk, err = strconv.ParseBool(value)
	case "connections":
		o.Connections, err = strconv.Atoi(value)
		if err == nil && o.Connections < 0 {
			err = errors.New("less than none")
		}
	case "ca-cert":
		o.CACertFile = value
	case "client-cert":
		o.ClientCertFile = value
	default:
		return fmt.Errorf("gs has no setting %q; there are project-id, region, object-retention, endpoint, anonymous, credentials-file, storage-class, mark-bulk, connections, ca-cert and client-cert", name)
	}
	if err != nil {
		return fmt.Errorf("the setting gs.%s=%s: %w", name, value, err)
	}
	return nil
}

// class returns the service's spelling of a storage class.
func class(name string) (string, error) {
	switch upper := strings.ToUpper(name); upper {
	case "STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE":
		return upper, nil
	default:
		return "", fmt.Errorf("the class %q: there are STANDARD, NEARLINE, COLDLINE and ARCHIVE", name)
	}
}

const service = "https://storage.googleapis.com"

// withEnvironment fills what is empty. Credentials that were given keep the
// environment's from being used: they may be for another account.
func (o Options) withEnvironment() Options {
	o.ProjectID = cmp.Or(o.ProjectID, os.Getenv("GOOGLE_PROJECT_ID"), os.Getenv("GOOGLE_CLOUD_PROJECT"))
	if emulator := os.Getenv("STORAGE_EMULATOR_HOST"); o.Endpoint == "" && emulator != "" {
		if !strings.Contains(emulator, "://") {
			emulator = "http://" + emulator
		}
		o.Endpoint, o.Anonymous = emulator, true
	}
	o.Endpoint = strings.TrimSuffix(cmp.Or(o.Endpoint, service), "/")
	if o.AccessToken == "" && o.CredentialsFile == "" && !o.Anonymous {
		o.AccessToken = os.Getenv("GOOGLE_ACCESS_TOKEN")
	}
	return o
}

func (o Options) check() error {
	if err := checkBucket(o.Bucket); err != nil {
		return fmt.Errorf("open gs storage: %w", err)
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("open gs storage: the endpoint is not the URL of a service, such as %s", service)
	}
	if u.Scheme == "http" && !o.Anonymous {
		return errors.New("open gs storage: the endpoint is without TLS, and would see the credentials: use https, or the setting gs.anonymous=true for an emulator")
	}
	return nil
}

func (o Options) location() string { return "gs:" + o.Bucket + ":/" + o.Prefix }

package s3

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/storage"
)

// Options say which objects are meant and how they are reached. Parse makes
// them of a URL. A field left empty has the default given with it.
type Options struct {
	// Endpoint is the service: a host with an optional port.
	Endpoint string
	// PlainHTTP sends everything in the clear: for tests and closed networks.
	PlainHTTP bool
	// Bucket holds the objects. Prefix, "" or without a slash at its ends,
	// begins the name of each.
	Bucket, Prefix string
	// Region of the bucket. Default: what the host name says, then AWS_REGION
	// and AWS_DEFAULT_REGION; the service is asked if nothing tells.
	Region string
	// Lookup is where the bucket stands in requests. Default LookupAuto.
	Lookup Lookup

	// AccessKeyID, SecretAccessKey and SessionToken are credentials as such.
	// Without them they are looked for; see credentials.go.
	AccessKeyID, SecretAccessKey, SessionToken string
	// Profile is the section of the shared credentials file to take them from.
	Profile string
	// RoleARN is a role to take on with the credentials found. RoleSession
	// names the session in the logs of the service, and RoleExternalID is
	// the secret that some roles ask for.
	RoleARN, RoleSession, RoleExternalID string
	// STSEndpoint is where roles are had. Default: that of AWS.
	STSEndpoint string
	// Anonymous sends no credentials, for buckets open to everybody.
	Anonymous bool

	// StorageClass is given to new objects. One that has to be thawed before
	// reading is given to bulk objects only (storage.PutOptions.Bulk): without
	// its index and its trees a repository cannot even say what to thaw.
	StorageClass string
	// ColdClasses are further classes, of this service's own making, whose
	// objects have to be thawed before they can be read.
	ColdClasses []string
	// MarkBulk tags bulk objects as they are put, for lifecycle rules to tell
	// them from the others. AWS charges for tags and wants a permission more
	// (s3:PutObjectTagging).
	MarkBulk bool
	// ObjectLock has Create make the bucket with object lock, which most
	// services turn on for new buckets only.
	ObjectLock bool
	// Encryption on the service's side: "AES256", "aws:kms", or "" for what
	// the bucket is set to. KMSKeyID names a key for the second.
	Encryption, KMSKeyID string
	// CustomerKeyFile holds a key, 32 bytes as such or in base64, that the
	// service encrypts with and does not keep (SSE-C). It wants TLS.
	CustomerKeyFile string

	// CACertFile holds certificates (PEM) to be trusted besides the system's.
	CACertFile string
	// ClientCertFile holds a certificate and its private key (PEM) to be shown
	// to the service.
	ClientCertFile string
	// AnyServer takes whoever answers for the service, unchecked. It is no
	// setting: nobody shall write it down and forget it.
	AnyServer bool
	// Connections bounds the requests under way at once, those whose answers
	// are still being read included. Default: no bound.
	Connections int
	// Stall is how long nothing may move on a request. Default 2 minutes.
	Stall time.Duration
	// ListV1 asks for listings in the first version of the protocol.
	ListV1 bool
	// ConditionalCreate tells whether the service refuses to put over an
	// existing object when asked to. Default: it is tried out.
	ConditionalCreate Answer
}

// Lookup is where requests name the bucket.
type Lookup string

const (
	// LookupAuto is LookupDNS for AWS and LookupPath for all others.
	LookupAuto Lookup = ""
	// LookupDNS puts the bucket before the host: bucket.s3.example.com.
	LookupDNS Lookup = "dns"
	// LookupPath puts it first in the path: s3.example.com/bucket.
	LookupPath Lookup = "path"
)

// Answer is yes, no, or not known beforehand.
type Answer string

// The answers.
const (
	FindOut Answer = ""
	Yes     Answer = "yes"
	No      Answer = "no"
)

// awsEndpoint stands for all of AWS: the region decides about the host.
const awsEndpoint = "s3.amazonaws.com"

// Parse reads the URL of a place on an S3 service, in one of the forms
//
//	s3:https://host[:port]/bucket/prefix    http:// for plain HTTP
//	s3:host[:port]/bucket/prefix            HTTPS
//	s3://bucket/prefix                      on AWS
//	s3://host[:port]/bucket/prefix          HTTPS
//
// The first three are unmistakable; the last two differ in this: the first
// name of s3:// is a host when it has a port, is localhost or an IP address,
// or holds a dot and is followed by another name; that is how restic reads all
// of them. So a bucket with dots in its name is written s3:s3.amazonaws.com/...
//
// When AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names a service, the first name
// of s3:// is always a bucket there.
func Parse(url string) (Options, error) {
	rest, ok := strings.CutPrefix(url, "s3:")
	if !ok {
		return Options{}, fmt.Errorf("%q is no URL of S3: it begins with another scheme", url)
	}
	o, path, err := parsePlace(rest)
	if err != nil {
		return Options{}, fmt.Errorf("%s: %w; want s3:https://HOST/BUCKET/PREFIX or s3://BUCKET/PREFIX", redact(url), err)
	}
	o.Bucket, o.Prefix, _ = strings.Cut(strings.Trim(path, "/"), "/")
	o.Prefix = strings.Trim(o.Prefix, "/")
	if o.Bucket == "" {
		return Options{}, fmt.Errorf("%s: no bucket is named; want s3:https://HOST/BUCKET/PREFIX or s3://BUCKET/PREFIX", url)
	}
	if o.Prefix != "" {
		if err := storage.CheckKey(o.Prefix); err != nil {
			return Options{}, fmt.Errorf("%s: the prefix: %w", url, err)
		}
	}
	return o, nil
}

// parsePlace finds the service in what follows s3:, and what is left of it.
func parsePlace(rest string) (o Options, path string, err error) {
	switch {
	case strings.HasPrefix(rest, "https://"):
		return parseEndpoint(strings.TrimPrefix(rest, "https://"), false)
	case strings.HasPrefix(rest, "http://"):
		return parseEndpoint(strings.TrimPrefix(rest, "http://"), true)
	case strings.HasPrefix(rest, "//"):
		rest = strings.TrimPrefix(rest, "//")
		if o, ok, err := endpointFromEnvironment(); ok || err != nil {
			return o, rest, err
		}
		if host, path, _ := strings.Cut(rest, "/"); !looksLikeHost(host, path) {
			return Options{Endpoint: awsEndpoint}, rest, nil
		}
		return parseEndpoint(rest, false)
	default:
		return parseEndpoint(rest, false)
	}
}

func parseEndpoint(rest string, plain bool) (Options, string, error) {
	host, path, _ := strings.Cut(rest, "/")
	switch {
	case host == "":
		return Options{}, "", errors.New("no host is named")
	case strings.Contains(host, "@"):
		return Options{}, "", errors.New("credentials do not belong into the URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case strings.ContainsAny(rest, "?#"):
		return Options{}, "", errors.New("it holds a question mark or a hash")
	}
	return Options{Endpoint: host, PlainHTTP: plain}, path, nil
}

// redact takes what stands before an "@" out of a URL: it may be a secret.
func redact(url string) string {
	i := strings.LastIndexByte(url, '@')
	if i < 0 {
		return url
	}
	return "s3:…" + url[i:]
}

// endpointFromEnvironment is the service that the variables of AWS's own tools
// name, with ok false for none.
func endpointFromEnvironment() (o Options, ok bool, err error) {
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		url := os.Getenv(name)
		if url == "" {
			continue
		}
		host, plain := strings.CutPrefix(url, "http://")
		host = strings.TrimPrefix(host, "https://")
		o, path, err := parseEndpoint(host, plain)
		if err == nil && strings.Trim(path, "/") != "" {
			err = errors.New("it has a path")
		}
		if err != nil {
			return Options{}, false, fmt.Errorf("%s names no service: %w", name, err)
		}
		return o, true, nil
	}
	return Options{}, false, nil
}

func looksLikeHost(name, path string) bool {
	if strings.Contains(name, ":") || name == "localhost" || net.ParseIP(name) != nil {
		return true
	}
	return strings.Contains(name, ".") && strings.Trim(path, "/") != ""
}

// setter changes one option.
type setter func(o *Options, value string) error

// settings are what Set changes. It is a function so that a program which
// opens no S3 store spends nothing on it.
func settings() map[string]setter {
	return map[string]setter{
		"region":        setString(func(o *Options) *string { return &o.Region }),
		"bucket-lookup": setLookup,

		"profile":               setString(func(o *Options) *string { return &o.Profile }),
		"role-arn":              setString(func(o *Options) *string { return &o.RoleARN }),
		"role-session-name":     setString(func(o *Options) *string { return &o.RoleSession }),
		"role-external-id":      setString(func(o *Options) *string { return &o.RoleExternalID }),
		"sts-endpoint":          setString(func(o *Options) *string { return &o.STSEndpoint }),
		"unsafe-anonymous-auth": setBool(func(o *Options) *bool { return &o.Anonymous }),

		"storage-class": setString(func(o *Options) *string { return &o.StorageClass }),
		"cold-classes":  setColdClasses,
		"mark-bulk":     setBool(func(o *Options) *bool { return &o.MarkBulk }),
		"object-lock":   setBool(func(o *Options) *bool { return &o.ObjectLock }),
		"sse":           setEncryption,
		"sse-kms-key":   setString(func(o *Options) *string { return &o.KMSKeyID }),
		"sse-c-file":    setString(func(o *Options) *string { return &o.CustomerKeyFile }),

		"ca-cert":            setString(func(o *Options) *string { return &o.CACertFile }),
		"client-cert":        setString(func(o *Options) *string { return &o.ClientCertFile }),
		"connections":        setConnections,
		"stall":              setStall,
		"list-objects-v1":    setBool(func(o *Options) *bool { return &o.ListV1 }),
		"conditional-create": setConditionalCreate,
	}
}

// TrustAnyServer has whoever answers taken for the service.
func (o *Options) TrustAnyServer() { o.AnyServer = true }

// Set changes one option by the name it has on the command line and in
// holdfast.yaml, without the "s3." before it.
func (o *Options) Set(name, value string) error {
	set, ok := settings()[name]
	if !ok {
		names := slices.Sorted(maps.Keys(settings()))
		return fmt.Errorf("s3 has no setting %q; there are %s", name, strings.Join(names, ", "))
	}
	if err := set(o, value); err != nil {
		return fmt.Errorf("s3.%s=%s: %w", name, value, err)
	}
	return nil
}

func setString(field func(*Options) *string) setter {
	return func(o *Options, value string) error {
		*field(o) = value
		return nil
	}
}

func setBool(field func(*Options) *bool) setter {
	return func(o *Options, value string) (err error) {
		*field(o), err = strconv.ParseBool(value)
		if err != nil {
			return errors.New("want true or false")
		}
		return nil
	}
}

func setLookup(o *Options, value string) error {
	switch value {
	case "auto":
		o.Lookup = LookupAuto
	case string(LookupDNS), string(LookupPath):
		o.Lookup = Lookup(value)
	default:
		return errors.New("want auto, dns or path")
	}
	return nil
}

func setColdClasses(o *Options, value string) error {
	o.ColdClasses = nil
	for class := range strings.SplitSeq(value, ",") {
		if class = strings.TrimSpace(class); class != "" {
			o.ColdClasses = append(o.ColdClasses, class)
		}
	}
	return nil
}

func setEncryption(o *Options, value string) error {
	switch value {
	case "", encryptionAES, encryptionKMS:
		o.Encryption = value
		return nil
	}
	return fmt.Errorf("want %s or %s", encryptionAES, encryptionKMS)
}

func setConnections(o *Options, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return errors.New("want a number from 1 on")
	}
	o.Connections = n
	return nil
}

func setStall(o *Options, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return errors.New("want a duration, such as 90s or 5m")
	}
	o.Stall = d
	return nil
}

func setConditionalCreate(o *Options, value string) error {
	switch value {
	case "auto":
		o.ConditionalCreate = FindOut
	case string(Yes), string(No):
		o.ConditionalCreate = Answer(value)
	default:
		return errors.New("want auto, yes or no")
	}
	return nil
}

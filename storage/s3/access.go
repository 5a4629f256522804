package s3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// isAWS tells whether an endpoint belongs to AWS itself.
func isAWS(endpoint string) bool {
	host, _, _ := strings.Cut(endpoint, ":")
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// region is the region that requests are signed for; "" if the service has to
// be asked. The host names of AWS say it; minio-go reads them.
func (o *Options) region() string {
	for _, region := range []string{o.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")} {
		if region != "" {
			return region
		}
	}
	return ""
}

func (o *Options) lookup() minio.BucketLookupType {
	switch o.Lookup {
	case LookupDNS:
		return minio.BucketLookupDNS
	case LookupPath:
		return minio.BucketLookupPath
	default:
		return minio.BucketLookupAuto
	}
}

// credentials says where credentials come from. Given ones are used as they
// are, and a profile that is named is the only place looked at. Otherwise the
// first of these that has some: the environment (AWS_ACCESS_KEY_ID, ...; then
// MINIO_ROOT_USER, ...), the shared files of AWS's tools, and what the machine
// itself is given: web identity, ECS, EKS, EC2.
func (o *Options) credentials(transport http.RoundTripper) (*credentials.Credentials, error) {
	if o.Anonymous {
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous), nil
	}
	if (o.AccessKeyID == "") != (o.SecretAccessKey == "") {
		return nil, errors.New("an access key ID and a secret access key belong together; one of them is missing")
	}
	// These services are near, or not there at all: asking them for long
	// would only delay the message that there are no credentials.
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	found := &search{sources: o.sources(client)}
	if o.RoleARN == "" {
		return credentials.New(found), nil
	}
	return credentials.New(&role{options: o, client: client, own: credentials.New(found)}), nil
}

// source is one place where credentials may be.
type source struct {
	name string
	credentials.Provider
	// only means that without credentials here no other place is asked.
	only bool
}

func (o *Options) sources(client *http.Client) []source {
	if o.AccessKeyID != "" {
		given := credentials.Value{
			AccessKeyID: o.AccessKeyID, SecretAccessKey: o.SecretAccessKey, SessionToken: o.SessionToken,
			SignerType: credentials.SignatureV4,
		}
		return []source{{"the credentials given", &credentials.Static{Value: given}, true}}
	}
	files := source{"the shared credentials files", &credentials.FileAWSCredentials{Profile: o.Profile}, o.Profile != ""}
	if o.Profile != "" {
		return []source{files}
	}
	found := []source{
		{"the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)", &credentials.EnvAWS{}, os.Getenv("AWS_ACCESS_KEY_ID") != ""},
		{"the environment (MINIO_ROOT_USER, MINIO_ROOT_PASSWORD)", &credentials.EnvMinio{}, false},
		// A profile that the environment names is meant, too.
		{files.name, files.Provider, os.Getenv("AWS_PROFILE") != ""},
	}
	machine := &credentials.IAM{Client: client, Region: o.Region}
	switch {
	case os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		machine.Endpoint = o.STSEndpoint
		return append(found, source{"the web identity of this machine", machine, true})
	case strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") && !isContainer():
		return found
	}
	return append(found, source{"the identity of this machine", machine, false})
}

// isContainer tells whether a service beside this process has credentials.
func isContainer() bool {
	return os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" || os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != ""
}

// search is a provider of credentials that takes the first source which has
// some, and names them all when none has.
type search struct {
	sources []source
	found   credentials.Provider
}

// RetrieveWithCredContext returns the credentials of the first source that
// has some.
func (c *search) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	var failures []string
	for _, s := range c.sources {
		v, err := s.RetrieveWithCredContext(cc)
		if err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			c.found = s.Provider
			return v, nil
		}
		if err == nil {
			err = errors.New("none")
		}
		failures = append(failures, fmt.Sprintf("%s: %v", s.name, withoutURL(err)))
		if s.only {
			break
		}
	}
	return credentials.Value{}, &noCredentialsError{failures, c.found != nil}
}

// Retrieve is for callers without a context.
func (c *search) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// IsExpired tells whether credentials have to be had anew.
func (c *search) IsExpired() bool { return c.found == nil || c.found.IsExpired() }

// noCredentialsError says where credentials were looked for in vain.
type noCredentialsError struct {
	failures []string
	// hadSome tells that there were some before, so that this may pass.
	hadSome bool
}

func (e *noCredentialsError) Error() string {
	return "no usable credentials; looked at " + strings.Join(e.failures, "; ")
}

// withoutURL takes the URL out of an error of package net/http: tokens stand
// in the URLs of identity services.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// role is a provider of the temporary credentials of a role that own
// credentials may take on.
type role struct {
	credentials.STSAssumeRole
	options *Options
	client  *http.Client
	own     *credentials.Credentials
}

// RetrieveWithCredContext takes on the role.
func (r *role) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	own, err := r.own.GetWithContext(cc)
	if err != nil {
		return credentials.Value{}, err
	}
	endpoint := r.options.STSEndpoint
	if endpoint == "" {
		endpoint = credentials.DefaultSTSRoleEndpoint
	}
	session := r.options.RoleSession
	if session == "" {
		session = "holdfast"
	}
	r.Client, r.STSEndpoint = r.client, endpoint
	r.Options = credentials.STSAssumeRoleOptions{
		AccessKey: own.AccessKeyID, SecretKey: own.SecretAccessKey, SessionToken: own.SessionToken,
		Location: r.options.region(), RoleARN: r.options.RoleARN, RoleSessionName: session, ExternalID: r.options.RoleExternalID,
	}
	v, err := r.STSAssumeRole.RetrieveWithCredContext(cc)
	if err != nil {
		return v, fmt.Errorf("take on the role %s: %w", r.options.RoleARN, withoutURL(err))
	}
	return v, nil
}

// Retrieve is for callers without a context.
func (r *role) Retrieve() (credentials.Value, error) { return r.RetrieveWithCredContext(nil) }

// What Options.Encryption may be.
const (
	encryptionAES = "AES256"
	encryptionKMS = "aws:kms"
)

// encryption says what the service shall encrypt with; nil: as the bucket is
// set to.
func (o *Options) encryption() (encrypt.ServerSide, error) {
	if o.CustomerKeyFile != "" {
		if o.Encryption != "" || o.PlainHTTP {
			return nil, errors.New("encryption with an own key needs TLS, and allows for no other encryption")
		}
		key, err := readKey(o.CustomerKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the key of the encryption: %w", err)
		}
		return encrypt.NewSSEC(key)
	}
	switch {
	case o.Encryption == encryptionKMS:
		return encrypt.NewSSEKMS(o.KMSKeyID, nil)
	case o.KMSKeyID != "":
		return nil, fmt.Errorf("a KMS key is named, but the encryption is not %s", encryptionKMS)
	case o.Encryption == encryptionAES:
		return encrypt.NewSSE(), nil
	default:
		return nil, nil
	}
}

// readKey reads a key of 32 bytes, which stands in file as it is or in base64.
func readKey(file string) ([]byte, error) {
	const keyBytes = 32
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(b) == keyBytes {
		return b, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s holds no key of %d bytes, neither as it is nor in base64", file, keyBytes)
	}
	return key, nil
}

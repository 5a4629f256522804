package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

// answer returns what the service answered, if err is such an answer.
func answer(err error) (minio.ErrorResponse, bool) {
	var r minio.ErrorResponse
	ok := errors.As(err, &r)
	return r, ok
}

// code is the service's own word for the error, or "".
func code(err error) string {
	r, _ := answer(err)
	return r.Code
}

func isDenied(err error) bool {
	r, ok := answer(err)
	return ok && r.StatusCode == http.StatusForbidden
}

// isRefusedCreate tells whether a conditional Put was refused because the
// object exists.
func isRefusedCreate(err error) bool {
	r, ok := answer(err)
	return ok && (r.StatusCode == http.StatusPreconditionFailed || r.Code == "PreconditionFailed")
}

// isUnknownHere tells whether the service does not know what was asked for.
func isUnknownHere(err error) bool {
	r, ok := answer(err)
	return ok && (r.StatusCode == http.StatusNotImplemented || r.Code == "NotImplemented")
}

// explain adds the sentinel of package storage that says what an error of the
// service means, and what to do about it. An error without one is tried again.
func (s *Store) explain(err error) error {
	if err == nil {
		return nil
	}
	r, ok := answer(err)
	if !ok {
		return s.explainLocal(err)
	}
	// HEAD is answered without a body, so some errors have only their number.
	err = &serviceError{r}
	if isProtected(r) {
		return fmt.Errorf("%w: %w", storage.ErrImmutable, err)
	}
	switch r.Code {
	case "NoSuchKey", "NoSuchVersion", "NoSuchObject":
		return fmt.Errorf("%w: %w", storage.ErrNotFound, err)
	case "NoSuchBucket":
		return fmt.Errorf("%w: there is no bucket %q at %s: make it, or correct the URL", storage.ErrSetup, s.options.Bucket, s.options.Endpoint)
	case "AuthorizationHeaderMalformed", "InvalidRegion", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect":
		return fmt.Errorf("%w: %w%s", storage.ErrSetup, err, regionHint(r))
	case "InvalidBucketName":
		return fmt.Errorf("%w: %w", storage.ErrSetup, err)
	case "InvalidObjectState":
		return fmt.Errorf("%w: %w", storage.ErrCold, err)
	case "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage", "InsufficientCapacity":
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case "NotImplemented", "MethodNotAllowed":
		return fmt.Errorf("%w: %w", storage.ErrUnsupported, err)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("%w: %w: set the clock of this machine", fs.ErrPermission, err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired":
		return fmt.Errorf("%w: %w: check the access key, the secret and the region", fs.ErrPermission, err)
	case "ExpiredToken", "ExpiredTokenException":
		s.credentials.Expire() // they are had anew for the next attempt
		return err
	}
	switch r.StatusCode {
	case http.StatusBadRequest: // HEAD, which has no body, says no more when credentials have ended
		s.credentials.Expire()
	case http.StatusNotFound:
		return fmt.Errorf("%w: %w", storage.ErrNotFound, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return s.explainDenied(err)
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return fmt.Errorf("%w: %w%s", storage.ErrSetup, err, regionHint(r))
	case http.StatusInsufficientStorage:
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: %w", storage.ErrUnsupported, err)
	}
	return err
}

// isProtected tells an object that nobody may change now from one that these
// credentials may not. AWS and MinIO say it in words only.
func isProtected(r minio.ErrorResponse) bool {
	if r.StatusCode/100 != 4 || r.Code == "ObjectLockConfigurationNotFoundError" {
		return false
	}
	m := strings.ToLower(r.Message)
	return r.Code == "ObjectLocked" || strings.Contains(m, "worm protected") || strings.Contains(m, "protected by object lock")
}

func (s *Store) explainDenied(err error) error {
	return fmt.Errorf("%w: %w: these credentials may not do this in the bucket %q (a service also says so of an object "+
		"that does not exist to credentials that may not list); see `holdfast storage policy` for what they need", fs.ErrPermission, err, s.options.Bucket)
}

func regionHint(r minio.ErrorResponse) string {
	if r.Region == "" {
		return ": give the region of the bucket with -o s3.region=REGION"
	}
	return fmt.Sprintf(": the bucket lies in another region; give it with -o s3.region=%s", r.Region)
}

// explainLocal explains errors that are no answer of the service.
func (s *Store) explainLocal(err error) error {
	var none *noCredentialsError
	switch {
	case errors.As(err, &none) && !none.hadSome:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w: the service speaks plain HTTP; if that is meant, write s3:http://%s/%s", storage.ErrSetup, s.options.Endpoint, s.options.Bucket)
	}
	return err
}

// explainWrite is explain for operations that change something.
func (s *Store) explainWrite(err error) error {
	err = s.explain(err)
	if errors.Is(err, fs.ErrPermission) && isDenied(err) {
		return fmt.Errorf("%w: %w", storage.ErrReadOnly, err)
	}
	return err
}

// own makes sure that an error passes for the end of the context only if that
// ended: errors of the identity services may claim it, too, and would stop
// every retry.
func own(ctx context.Context, err error) error {
	if ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return errors.New(err.Error())
	}
	return err
}

// serviceError is an answer of the service with its code in the text: some
// services give messages that say little, or none.
type serviceError struct{ minio.ErrorResponse }

func (e *serviceError) Error() string {
	message := strings.TrimSuffix(strings.TrimSpace(e.ErrorResponse.Error()), ".")
	if e.Code == "" || strings.Contains(message, e.Code) {
		return message
	}
	return e.Code + ": " + message
}

func (e *serviceError) Unwrap() error { return e.ErrorResponse }

package azure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"holdfast/storage"
)

// failure says what an error of the client library means: as one of the
// sentinels of package storage where one fits, always without the address of
// the request, which may hold a signature.
func (s *Store) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return s.answerError(answer)
	}
	if isLoginError(err) {
		return fmt.Errorf("%w: no identity to log in with: set AZURE_ACCOUNT_KEY or AZURE_ACCOUNT_SAS, or log in (az login): %v", fs.ErrPermission, err)
	}
	return err
}

// isLoginError tells whether err is about getting a token: the library marks
// those it finds pointless to repeat.
func isLoginError(err error) bool {
	var final interface{ NonRetriable() }
	return errors.As(err, &final)
}

// answerError is what the service answered.
type answerError struct {
	status    int
	code      string
	requestID string // to be told to the people of the service
	hint      string // what it means and what to do; may be empty
	kind      error  // a sentinel of package storage, or nil
}

func (e *answerError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.status, e.code))
	if e.hint != "" {
		text = e.hint + " (" + text + ")"
	}
	if e.kind != nil {
		text = e.kind.Error() + ": " + text
	}
	if e.requestID != "" && e.kind == nil {
		text += ", request " + e.requestID
	}
	return text
}

func (e *answerError) Unwrap() error { return e.kind }

func (s *Store) answerError(answer *azcore.ResponseError) error {
	e := &answerError{status: answer.StatusCode, code: answer.ErrorCode}
	if r := answer.RawResponse; r != nil {
		e.requestID = r.Header.Get("x-ms-request-id")
	}
	e.hint, e.kind = s.meaning(e.status, bloberror.Code(e.code))
	return e
}

// meaning finds the sentinel for an answer, and what to say with it.
func (s *Store) meaning(status int, code bloberror.Code) (hint string, kind error) {
	switch code {
	case bloberror.ContainerNotFound:
		return fmt.Sprintf("there is no container %q: check its name and the account, or make it", s.o.Container), storage.ErrNotFound
	case bloberror.BlobAlreadyExists:
		return "", storage.ErrExists
	case bloberror.BlobArchived, bloberror.BlobBeingRehydrated:
		return "", storage.ErrCold
	case bloberror.BlobImmutableDueToPolicy, bloberror.ImmutabilityPolicyDeleteOnLockedPolicy, blobImmutableDueToLegalHold:
		return "", storage.ErrImmutable
	case bloberror.InvalidRange:
		return "", storage.ErrInvalidRange
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation:
		return "the key or signature is not accepted: is it for this account, has it expired, is this machine's clock right?", fs.ErrPermission
	case bloberror.AuthorizationPermissionMismatch:
		return "these credentials do not permit this: grant the role Storage Blob Data Contributor, or a signature with these permissions", fs.ErrPermission
	case bloberror.AuthorizationFailure, bloberror.AuthorizationSourceIPMismatch:
		return "the account does not permit this from here: check its firewall and the permissions of the credentials", fs.ErrPermission
	case bloberror.InvalidBlobOrBlock:
		return "an unfinished upload of another program is in the way; the service removes it a week after it was begun", nil
	case bloberror.AccountIsDisabled:
		return "the account is disabled", fs.ErrPermission
	case bloberror.UnsupportedHeader, bloberror.InvalidHeaderValue, bloberror.UnsupportedQueryParameter,
		bloberror.InvalidQueryParameterValue, bloberror.FeatureVersionMismatch, bloberror.ConditionHeadersNotSupported:
		return "", storage.ErrUnsupported
	}
	switch status {
	case http.StatusNotFound:
		return "", storage.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return "these credentials do not permit this", fs.ErrPermission
	case http.StatusRequestedRangeNotSatisfiable:
		return "", storage.ErrInvalidRange
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return "", storage.ErrUnsupported
	case http.StatusInsufficientStorage:
		return "", storage.ErrFull
	}
	return "", nil
}

// blobImmutableDueToLegalHold is missing from the library's list.
const blobImmutableDueToLegalHold bloberror.Code = "BlobImmutableDueToLegalHold"

// hasCode tells whether the service answered with one of codes.
func hasCode(err error, codes ...bloberror.Code) bool { return bloberror.HasCode(err, codes...) }

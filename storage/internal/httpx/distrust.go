package httpx

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"holdfast/storage"
)

// explainDistrust says of an error that one side does not take the certificate
// of the other. Trying again mends nothing.
func explainDistrust(err error) error {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w: %w; name the file of its certificate with --cacert, or as ca-cert among the options of the repository", storage.ErrSetup, err)
	case errors.As(err, &host), errors.As(err, &invalid):
		return fmt.Errorf("%w: %w", storage.ErrSetup, err)
	case strings.Contains(err.Error(), "remote error: tls:") && strings.Contains(err.Error(), "certificate"): // crypto/tls has no type for it
		return fmt.Errorf("%w: the server refuses the certificate that it is shown, or wants one: %w; name the file of one with --tls-client-cert, or as client-cert among the options of the repository", storage.ErrSetup, err)
	}
	return err
}

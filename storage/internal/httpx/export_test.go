package httpx

import "encoding/pem"

// HideContextErrors is for tests: no dial here takes the 30 s it may take.
var HideContextErrors = hideContextErrors

// PEM encodes a certificate.
func PEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

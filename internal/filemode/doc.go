// Package filemode translates between the kernel's st_mode and fs.FileMode, the
// form in which nodes keep permissions and types.
package filemode

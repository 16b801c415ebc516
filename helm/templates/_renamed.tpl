{{/* Fails if there is a value of files/renamed.yaml, and names the new one. */}}
{{- define "damage-tasks.refuseRenamed" -}}
{{- $wrong := list -}}
{{- range $old, $new := .Files.Get "files/renamed.yaml" | fromYaml -}}
{{- $value := $.Values -}}
{{- range splitList "." $old -}}
{{- $value = kindIs "map" $value | ternary $value dict -}}
{{- $value = index $value . -}}
{{- end -}}
{{- /* A text of which an object has taken the place. */ -}}
{{- $replaced := and (kindIs "map" $value) (hasPrefix (printf "%s." $old) $new) -}}
{{- if not (or (kindIs "invalid" $value) $replaced) -}}
{{- $wrong = append $wrong (printf "%s is now called %s" $old $new) -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n  - %s\n\nSee helm/README.md." (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end }}

{{/*
Spot nodes are called differently by each provider; any label that matches will do. "prefer"
works on a cluster without spot nodes too; "require" keeps workers off all others.
*/}}
{{- define "damage-tasks.workerAffinity" -}}
{{- $spot := .Values.worker.spot -}}
{{- $terms := list -}}
{{- range $label, $value := $spot.labels -}}
{{- $expression := dict "key" $label "operator" "In" "values" (list $value) -}}
{{- $terms = append $terms (dict "matchExpressions" (list $expression)) -}}
{{- end -}}
{{- $node := dict -}}
{{- if and (eq $spot.use "require") $terms -}}
{{- $node = dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- else if and (eq $spot.use "prefer") $terms -}}
{{- $preferred := list -}}
{{- range $terms -}}
{{- $preferred = append $preferred (dict "weight" 100 "preference" .) -}}
{{- end -}}
{{- $node = dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred -}}
{{- end -}}
{{- $affinity := .Values.worker.affinity | default dict -}}
{{- if $node -}}
{{- $affinity = mergeOverwrite (dict "nodeAffinity" $node) (deepCopy $affinity) -}}
{{- end -}}
{{- with $affinity -}}
affinity: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{- define "damage-tasks.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/*
Prefix of all object names: the release name, if it already contains the application's name. The name
of a Service must begin with a letter; a release name need not.
*/}}
{{- define "damage-tasks.fullname" -}}
{{- $name := include "damage-tasks.name" . -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if not (regexMatch "^[a-z]" .Release.Name) }}
{{- printf "%s-%s" $name .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Selector labels of one component: (list $ "worker"). They never change within a release. */}}
{{- define "damage-tasks.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "damage-tasks.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of one component: (list $ "worker"), and optionally additional ones. */}}
{{- define "damage-tasks.labels" -}}
{{- $root := index . 0 -}}
{{- $own := include "damage-tasks.selector" . | fromYaml -}}
{{- $version := include "damage-tasks.version" $root | trunc 63 | trimAll "-_." -}}
{{- $_ := set $own "app.kubernetes.io/version" $version -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $more := eq (len .) 3 | ternary (last .) dict | default dict -}}
{{ merge $own $more ($root.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{/*
Metadata of an object: (dict "root" $ "component" "worker"), and optionally its name or the end of its
name, annotations and additional labels.
*/}}
{{- define "damage-tasks.metadata" -}}
{{- $fullname := include "damage-tasks.fullname" .root -}}
name: {{ .name | default (printf "%s-%s" $fullname (.suffix | default .component)) | quote }}
labels: {{- include "damage-tasks.labels" (list .root .component .labels) | nindent 2 }}
{{- $own := .annotations | default dict | deepCopy }}
{{- with merge $own (.root.Values.commonAnnotations | default dict) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "damage-tasks.version" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "damage-tasks.image" -}}
{{- $version := empty .Values.image.digest | ternary .Chart.AppVersion "" -}}
{{- include "damage-tasks.imageName" (list . .Values.image $version) -}}
{{- end }}

{{/* Name of an image: (list $ $values "the tag if there is none"). */}}
{{- define "damage-tasks.imageName" -}}
{{- include "damage-tasks.refuseRenamed" (index . 0) -}}
{{- $image := index . 1 -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- with $image.tag | default (index . 2) }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* Name of a component's service account: (list $ "worker"). */}}
{{- define "damage-tasks.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := index $root.Values.serviceAccounts (index . 1) -}}
{{ $account.name | default (printf "%s-%s" (include "damage-tasks.fullname" $root) (index . 1)) }}
{{- end }}

{{/* Name of the Secret with passwords and keys. */}}
{{- define "damage-tasks.secret" -}}
{{ .Values.secret.existing | default (include "damage-tasks.fullname" .) }}
{{- end }}

{{/* AWS region: aws.region, or else the region in the queue URL. */}}
{{- define "damage-tasks.region" -}}
{{- $url := .Values.settings.DAMAGE_QUEUE_URL | default "" -}}
{{- .Values.aws.region | default (regexFind "sqs\\.[a-z0-9-]+\\." $url | trimPrefix "sqs." | trimSuffix ".") -}}
{{- end }}

{{/* Application defaults of settings that the chart uses in calculations. */}}
{{- define "damage-tasks.loadTimeout" -}}
{{ .Values.settings.DAMAGE_LOAD_TIMEOUT | default 120 }}
{{- end }}

{{/* Formats a setting for an environment variable: lists separated by commas, no exponents. */}}
{{- define "damage-tasks.text" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}

{{/*
Prefix of all object names: the release name, if it already contains the application's name. The name
of a Service must begin with a letter; a release name need not.
*/}}
{{- define "damage-tasks.name" -}}
{{- if .Values.nameOverride }}
{{- .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- else if not (regexMatch "^[a-z]" .Release.Name) }}
{{- printf "%s-%s" .Chart.Name .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Selector labels of one component: (list $ "worker"). They never change within a release. */}}
{{- define "damage-tasks.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of one component: (list $ "worker"). */}}
{{- define "damage-tasks.labels" -}}
{{- $root := index . 0 -}}
{{ include "damage-tasks.selector" . }}
app.kubernetes.io/version: {{ include "damage-tasks.version" $root | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "damage-tasks.version" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "damage-tasks.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ include "damage-tasks.version" . }}
{{- end }}
{{- end }}

{{/* Name of a component's service account: (list $ "worker"). */}}
{{- define "damage-tasks.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := index $root.Values.serviceAccounts (index . 1) -}}
{{ $account.name | default (printf "%s-%s" (include "damage-tasks.name" $root) (index . 1)) }}
{{- end }}

{{/* Name of the Secret with passwords and keys. */}}
{{- define "damage-tasks.secret" -}}
{{ .Values.secret.existing | default (include "damage-tasks.name" .) }}
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

{{/* What every pod of ours grants itself: nothing. The restricted Pod Security Standard. */}}
{{- define "damage-tasks.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "damage-tasks.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Variables that tell boto3 where AWS is. Credentials come from the service account. */}}
{{- define "damage-tasks.awsEnv" -}}
{{ range list "AWS_REGION" "AWS_DEFAULT_REGION" }}
- name: {{ . }}
  value: {{ include "damage-tasks.region" $ | quote }}
{{- end }}
{{- with .Values.aws.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* A variable from the Secret: (list $ "DAMAGE_SENTRY_DSN" true); the last: may be missing. */}}
{{- define "damage-tasks.secretVariable" -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef:
      name: {{ include "damage-tasks.secret" (index . 0) | quote }}
      key: {{ index . 1 }}
      {{- if index . 2 }}
      optional: true
      {{- end }}
{{- end }}

{{/* Where the event bus is: ours, or the one that the Secret names. */}}
{{- define "damage-tasks.busEnv" -}}
{{- if .Values.eventBus.enabled }}
{{ include "damage-tasks.secretVariable" (list . "EVENT_BUS_PASSWORD" false) }}
- name: DAMAGE_EVENT_BUS_URL
  value: redis://:$(EVENT_BUS_PASSWORD)@{{ include "damage-tasks.name" . }}-event-bus:6379/0
{{- else }}
{{ include "damage-tasks.secretVariable" (list . "DAMAGE_EVENT_BUS_URL" true) }}
{{- end }}
{{- end }}

{{/* All variables of a worker, or of what must see what a worker sees. */}}
{{- define "damage-tasks.workerEnv" -}}
{{ include "damage-tasks.awsEnv" . }}
{{ include "damage-tasks.secretVariable" (list . "DAMAGE_DATABASE_URL" false) }}
{{- range list "DAMAGE_CLOUDFRONT_PRIVATE_KEY" "DAMAGE_SENTRY_DSN" "DAMAGE_SLACK_WEBHOOK_URL" }}
{{ include "damage-tasks.secretVariable" (list $ . true) }}
{{- end }}
{{- include "damage-tasks.busEnv" . }}
{{- if not (or .Values.flower.enabled (hasKey .Values.settings "DAMAGE_DEAD_LETTER_ALERTS")) }}
# Otherwise Flower's business: it is there once.
- name: DAMAGE_DEAD_LETTER_ALERTS
  value: worker
{{- end }}
{{- with .Values.worker.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Nodes that workers may run on, spot ones among them unless they are left alone. */}}
{{- define "damage-tasks.workerTolerations" -}}
{{- $worker := .Values.worker -}}
{{- $spot := ternary (list) $worker.spot.tolerations (eq $worker.spot.use "never") -}}
{{- with concat (default list $worker.tolerations) (default list $spot) -}}
tolerations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{/*
What no default can know, and what does not fit together: all of it in one message, before
anything is installed.
*/}}
{{- define "damage-tasks.check" -}}
{{- $wrong := list -}}
{{- range list "DAMAGE_QUEUE_URL" "DAMAGE_BUCKET" "DAMAGE_BUNDLE" -}}
{{- if not (index $.Values.settings .) -}}
{{- $wrong = append $wrong (printf "settings.%s is not set" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.settings.DAMAGE_QUEUE_URL (not (include "damage-tasks.region" .)) -}}
{{- $wrong = append $wrong "aws.region is not set, and the queue's URL does not tell it" -}}
{{- end -}}
{{- if and (not .Values.secret.existing) (not .Values.secret.values) -}}
{{- $wrong = append $wrong "secret.existing is not set: the name of a Secret with DAMAGE_DATABASE_URL" -}}
{{- end -}}
{{- if and .Values.secret.existing .Values.secret.values -}}
{{- $wrong = append $wrong "secret.existing and secret.values exclude each other" -}}
{{- end -}}
{{- if and (ne .Values.logs.shipping "off") (not .Values.logs.bucket) -}}
{{- $wrong = append $wrong "logs.bucket is not set, and logs.shipping is not off" -}}
{{- end -}}
{{- $grace := int .Values.worker.terminationGracePeriodSeconds -}}
{{- $limit := int (.Values.settings.DAMAGE_TIME_LIMIT | default 90) -}}
{{- if le $grace $limit -}}
{{- $wrong = append $wrong (printf "worker.terminationGracePeriodSeconds (%d) must exceed DAMAGE_TIME_LIMIT (%d), or a photo in hand is lost to a drain" $grace $limit) -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- $wrong = append $wrong "autoscaling.minReplicas is larger than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and .Values.flower.ingress.enabled (not .Values.flower.ingress.host) -}}
{{- $wrong = append $wrong "flower.ingress.host is not set" -}}
{{- end -}}
{{- if and (eq .Values.worker.bundleCache.type "persistentVolumeClaim") (not .Values.worker.bundleCache.claim) -}}
{{- $wrong = append $wrong "worker.bundleCache.claim is not set" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n  - %s\n\nSee helm/README.md and docs/platform.md." (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end }}

"""What the local provider says in its own words, in each language."""

from collections.abc import Mapping
from typing import Literal

from salambot.messages import Language

Phrase = Literal["greeting", "thanks", "farewell", "nothing", "unknown", "hello", "answer", "foreign"]

PHRASES: Mapping[Phrase, Mapping[Language, str]] = {
    "greeting": {
        "fr": "Bonjour ! Je suis SalamBot, l'assistant de la boutique. Comment puis-je vous aider ?",
        "ar": "السلام عليكم! أنا سلام بوت، مساعد المتجر. كيف يمكنني مساعدتكم؟",
        "ary": "السلام! أنا سلام بوت، المساعد ديال المتجر. كيفاش نقدر نعاونك؟",
        "ary-Latn": "Salam! Ana SalamBot, l'assistant dyal la boutique. Kifach n9der n3awnek?",
        "en": "Hello! I am SalamBot, the shop's assistant. How can I help you?",
    },
    "thanks": {
        "fr": "Avec plaisir ! N'hésitez pas si vous avez une autre question.",
        "ar": "على الرحب والسعة! لا تترددوا إذا كان لديكم سؤال آخر.",
        "ary": "مرحبا بيك! إلا كان عندك شي سؤال آخر، أنا هنا.",
        "ary-Latn": "Mer7ba bik! Ila kan 3ndek chi so2al akhor, ana hna.",
        "en": "You're welcome! Feel free to ask if you have another question.",
    },
    "farewell": {
        "fr": "Au revoir et à bientôt !",
        "ar": "إلى اللقاء، دمتم بخير!",
        "ary": "بسلامة، ونهارك زوين!",
        "ary-Latn": "Bslama, o nharek zwin!",
        "en": "Goodbye, and see you soon!",
    },
    "nothing": {
        "fr": "Je n'ai pas bien compris votre message. Pouvez-vous poser votre question en quelques mots ?",
        "ar": "لم أفهم رسالتكم جيدا. هل يمكنكم كتابة سؤالكم في بضع كلمات؟",
        "ary": "ما فهمتش مزيان الرسالة ديالك. واش تقدر تكتب سؤالك بشي كلمات؟",
        "ary-Latn": "Mafhemtch mezyan l message dyalek. Wach t9der tekteb so2alek b chi kelmat?",
        "en": "I did not quite understand your message. Could you write your question in a few words?",
    },
    "unknown": {
        "fr": "Je suis désolé, je ne sais pas répondre à cette question : je n'ai rien trouvé à ce sujet dans nos"
        " informations. Vous pouvez la reformuler ou contacter notre service client.",
        "ar": "عذرا، لا أعرف الجواب عن هذا السؤال: لم أجد شيئا حوله في معلوماتنا."
        " يمكنكم إعادة صياغته أو التواصل مع خدمة الزبناء لدينا.",
        "ary": "سمح ليا، ما عرفتش الجواب على هاد السؤال: ما لقيت والو عليه فالمعلومات ديالنا."
        " تقدر تعاود تسول بطريقة أخرى ولا تواصل مع خدمة الزبناء ديالنا.",
        "ary-Latn": "Sme7 liya, ma3reftch ljawab 3la had so2al: mal9it walo 3lih f lma3loumat dyalna."
        " T9der t3awed tswel b tari9a okhra, wla twasel m3a service client dyalna.",
        "en": "I am sorry, I do not know the answer to this question: I found nothing about it in our information."
        " You can rephrase it or contact our customer service.",
    },
    "hello": {
        "fr": "Bonjour !",
        "ar": "مرحبا بكم!",
        "ary": "السلام!",
        "ary-Latn": "Salam!",
        "en": "Hello!",
    },
    "answer": {
        "fr": "Voici ce qu'il faut savoir :",
        "ar": "إليكم الجواب:",
        "ary": "ها الجواب:",
        "ary-Latn": "Ha ljawab dyalna:",
        "en": "Here is what you need to know:",
    },
    "foreign": {
        "fr": "Voici ce que disent nos informations, qui ne sont pas encore en français :",
        "ar": "إليكم ما ورد في معلوماتنا، وهي غير متوفرة بعد بالعربية:",
        "ary": "ها شنو كاين فالمعلومات ديالنا، باقي ما كايناش بالدارجة:",
        "ary-Latn": "Ha chno kayn f lma3loumat dyalna, ba9i makaynch b darija:",
        "en": "Here is what our information says; it is not available in English yet:",
    },
}
"""`hello` answers a greeting before an answer; `foreign` leads into an answer in another language than the prompt's."""

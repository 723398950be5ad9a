"""Words that say nothing about a question's subject, folded, in the five ways our users write."""

STOPWORDS = frozenset(
    """
    a ai aie aient aimerais ainsi alors apres as au aucun aussi autre autres aux avait avant avec avez aviez avoir avons
    bien bonjour bonsoir c ca car ce ceci cela celle celles celui ces cet cette ceux chaque chez ci combien comme comment
    concernant d dans de depuis des dit dites donc donner dois doit du elle elles en encore entre es est et etais etait
    ete etes etre eu eux faire fais fait faites faut font fois ici il ils j je jamais jusqu jusque l la laquelle le lequel
    les leur leurs lors lorsque lui m ma mais me meme mes mettre mettez met moi mon n ne ni non nos notre nous on ont ou
    oui par parce pas passe pendant peu peut peuvent peux plus pour pourquoi pourrais pourriez pouvez pouvoir pouvons prend
    prendre prenez puis puisque qu quand que quel quelle quelles quels quelque qui quoi s sa sais salut sans savoir se sera
    serait ses seulement si sil soit son sont sous suis sur svp t ta te tes toi ton toujours tous tout toute toutes tres
    trop tu un une veux voici voila voudrais vont vos votre voulez vous va vais y merci plait possible existe proposez
    avoir ete deja lorsqu quelqu afin vers via question information informations renseignement arrive arriver cas lieu
    sert parle parler explique expliquez expliquer dire moyen besoin souhaite souhaiterais voulais tard tot mieux

    about above after again all am an and any are as at be because been before being between but by can cannot could did
    do does doing done during each few for from further get give got had has have having he hello her here hers hi him
    his how i if in into is it its just know let like long many may me mine more most much must my need no nor not now of
    off once only or other our ours out over own please possible same shall she should so some such than thank thanks
    that the their theirs them then there these they this those through to too under until up us very want was we were
    what when where which while who whom why will with would yes you your yours tell explain happens happen still there
    within

    ما ماذا هل اين متي كيف لماذا كم هذا هذه ذلك تلك التي الذي الذين اللي لي ليس ليست لقد قد لن لم ان انا انت نحن هو هي هم
    عن علي الي من في مع او و ف ب ل ك ثم لكن اذا كل بعض اي ايه نعم لا كان كانت يكون تكون لدي لديكم لديك عندي عندكم عندك
    عندكوم عند لكم لك لي له لها بعد قبل خلال حتي منذ بين حول حيث يمكن يمكنني يمكنكم استطيع اريد اود ارغب احتاج فضلك فضلكم
    شكرا مرحبا السلام عليكم سلام صباح مساء الخير اهلا سوف غير جدا ايضا كما كيفيه طريقه الرجاء يرجي المرجو هناك هنا
    شنو شنوا شنا شناهي شناهو اشنو اش واش كيفاش كيفاه علاش علاه فين فينا منين شحال بشحال شكون فوقاش وقتاش امتا ايمتا كاين
    كاينه كاينين ماكاينش مكاينش بغيت بغيتي بغينا بغا بغات كنبغي نبغي تبغي ديال ديالي ديالك ديالكم ديالو ديالها ديالنا
    دابا بزاف ماشي حيت هاد هادا هادي هادو هادشي داك ديك دوك داكشي بحال غادي خاصني خاصنا خاصك خاص راه راها راني نقدر تقدر
    تقدرو يقدر يمكنلي صافي مزيان واخا عافاك عفاك عافاكم عفاكم خويا ختي شي باش فاش ملي مني الا يلا عندو عندها عندهم كنت
    ولا ولكن حداكم تاني زعما غا لا ندير كندير دير ديرو تديرو كتديرو كيدير كيديرو نعرف بلا فيه فيها منو ليا ليكم ليك عليا
    كن كون كانو واحد وحده

    wach wash wax chno chnou chnu shno shnou chniya chnahiya chnahowa achno achnou ach kifach kifash kifax kifaxe dyal dyali
    dyalek dyalk dyalkom dyalo dyalha dyalna diali dialek dialkom dialo dialna daba bzaf bezaf bezzaf bzzaf fin finahiya
    finkom mnin 3lach 3lash 3lah chhal ch7al sh7al chehal bchhal bch7al b7al bhal chkon chkoun imta imtta emta fo9ach foqach
    wa9tach waqtach kayn kayen kayna kaynin makaynch makayn machi hit 7it 3afak afak 3afakom 3la 3nd 3ndi 3ndkom 3endkom
    3andi 3andkom andi andkom andkoum endkom 3andek salam slm salamo salamou labas lbas chokran choukran shokran chukran
    bslama safi wakha waxa mezyan mzyan mezian mzian khouya khoya khti had hadi hada hadak hadik hado hadchi hadshi dak dik
    dakchi lli li lina liya lya khasni khassni khas khass khasna khassna ghadi ghadya gha rah raha rahi rani rakom ila ana nta
    nti bla chi bach bax fach mli meli hna hnaya walo walou wala wla nqder n9der ne9der nakder nqdar n9dar te9dro tqdro t9dro
    bghit bghiti bghina bghito bgha bghat kanbghi nbghi tbghi dir ndir ndiro diro kandir katdir kaydir kadiro katdiro m3a men
    mn f w o ou u b d dial kan kant kano ykoun tkoun chwiya ntouma ntoma lik likom ghir tal hta 7ta ghandir n3ref wa7d wahd
    """.split()
)
